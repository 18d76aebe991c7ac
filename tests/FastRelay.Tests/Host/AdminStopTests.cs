using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FastRelay.Tests.Host;

/// <summary>Who asks the admin keeps it from no end, and who leaves in the middle is no defect of ours.</summary>
public sealed class AdminStopTests : IAsyncLifetime
{
    private const string Token = "a-token-of-the-operator";

    private ScriptedAdmin _admin = null!;

    public async Task InitializeAsync() => _admin = await ScriptedAdmin.StartAsync(Token);

    public async Task DisposeAsync() => await _admin.DisposeAsync();

    [Fact]
    public async Task A_trace_ends_whole_and_a_half_sent_request_is_cut()
    {
        using TcpClient half = await AskAsync(Half, until: "100 Continue");
        using TcpClient trace = await AskAsync($"GET /api/trace?domain=endless.test HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {Token}\r\n\r\n", until: "\"lost\"");
        await _admin.Server.StopAsync();
        Assert.EndsWith("0\r\n\r\n", await ReadAsync(trace, null));
        await ReadAsync(half, null);
        Assert.DoesNotContain(_admin.Desk.Asked, static asked => asked.StartsWith("Remove", StringComparison.Ordinal));
        Assert.Empty(_admin.Desk.Failures);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_leaves_in_the_middle_of_a_body_is_no_defect(bool resets)
    {
        using (TcpClient half = await AskAsync(Half, until: "100 Continue"))
        {
            half.LingerState = new LingerOption(resets, 0);
        }
        // Whatever is under way has ended then.
        await _admin.Server.StopAsync();
        Assert.Empty(_admin.Desk.Failures);
    }

    private const string Half = "POST /api/queue/remove HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + Token + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n{\"fil";

    private async Task<TcpClient> AskAsync(string request, string until)
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _admin.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        Assert.Contains(until, await ReadAsync(client, until), StringComparison.Ordinal);
        return client;
    }

    /// <summary>Reads until a text has come, or the end.</summary>
    private static async Task<string> ReadAsync(TcpClient client, string? until)
    {
        var text = new StringBuilder();
        byte[] buffer = new byte[4_096];
        while (until is null || !text.ToString().Contains(until, StringComparison.Ordinal))
        {
            int read;
            try
            {
                read = await client.GetStream().ReadAsync(buffer);
            }
            catch (IOException)
            {
                read = 0;
            }
            if (read == 0)
            {
                break;
            }
            text.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }
        return text.ToString();
    }
}
