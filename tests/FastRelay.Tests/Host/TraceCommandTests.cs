using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using FastRelay.EndToEnd.Rig;
using FastRelay.Host.Admin;
using FastRelay.Host.Commands;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Tests.Outside;
using FastRelay.Tests.Receive.Auth;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Host;

/// <summary>Dialogues of a whole relay on real sockets, as the admin sends them.</summary>
public sealed class TraceCommandTests : IDisposable
{
    private readonly RelayRig _rig = new(
        """
        [[listen]]
        address = "127.0.0.1:0"
        tls = "starttls"
        [[relay_for]]
        users = true
        networks = ["127.0.0.1"]
        [limits]
        auth_delay = "10ms"
        error_delay = "1ms"
        """,
        new ServerTls(TestCertificate.Server(SslProtocols.Tls12 | SslProtocols.Tls13)),
        ScramTests.Users(("alice", "wonder land")));

    public void Dispose() => _rig.Dispose();

    private async Task<(List<string> Lines, CancellationTokenSource End, Task Watching)> WatchAsync(TraceQuery query)
    {
        var lines = new List<string>();
        var end = new CancellationTokenSource();
        var begun = new TaskCompletionSource();
        async Task Watch()
        {
            var part = new StringBuilder();
            await foreach (ReadOnlyMemory<byte> piece in new TraceDesk(_rig.Relay.World.Loop, _rig.Relay.Log.Tracer).WatchAsync(query.Filter(), end.Token))
            {
                begun.TrySetResult();
                lock (lines)
                {
                    lines.AddRange(Encoding.UTF8.GetString(piece.Span).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(TraceCommand.Describe));
                }
            }
        }
        Task watching = Watch();
        await begun.Task;
        return (lines, end, watching);
    }

    private static string[] Said(List<string> lines, string way)
    {
        lock (lines)
        {
            return [.. lines.Where(line => line.Contains($" {way} ", StringComparison.Ordinal)).Select(line => System.Text.RegularExpressions.Regex.Match(line, "(C:|S:|--) .*").Value)];
        }
    }

    private static void Until(List<string> lines, string text) => Assert.True(
        SpinWait.SpinUntil(() => { lock (lines) { return lines.Exists(line => line.Contains(text, StringComparison.Ordinal)); } }, 30_000), "never shown: " + text);

    [Fact]
    public async Task Both_ways_are_shown_inside_TLS_too_and_no_secret()
    {
        (List<string> lines, CancellationTokenSource end, Task watching) = await WatchAsync(new TraceQuery());
        using (SmtpTalk talk = _rig.Talk(0, "127.66.0.9"))
        {
            talk.Read();
            talk.Say("EHLO client.test");
            talk.StartTls();
            talk.Say("EHLO client.test");
            talk.Say("AUTH LOGIN");
            talk.Say(Convert.ToBase64String("alice"u8));
            Assert.StartsWith("235 ", talk.Say(Convert.ToBase64String("wonder land"u8)), StringComparison.Ordinal);
            _rig.PassThrough(talk, "Subject: secret plans\r\n\r\nbody");
            talk.Say("QUIT");
        }
        Until(lines, "221 ");
        Until(lines, "out ");
        Assert.True(SpinWait.SpinUntil(() => Said(lines, "out").Any(line => line.StartsWith("-- content of ", StringComparison.Ordinal)), 30_000));
        string[] inside = Said(lines, "in ");
        Assert.Equal(1, inside.Count(line => line.StartsWith("S: 220 relay.test ", StringComparison.Ordinal)));
        Assert.Contains("C: STARTTLS", inside);
        Assert.Contains(inside, line => line.StartsWith("-- TLSv1.", StringComparison.Ordinal));
        Assert.Equal(["C: AUTH LOGIN", "S: 334 ***", "C: ***", "S: 334 ***", "C: ***"], inside.SkipWhile(line => line != "C: AUTH LOGIN").Take(5));
        Assert.Contains("C: MAIL FROM:<sender@pass.test>", inside);
        Assert.Contains(inside, line => line.StartsWith("S: 250 2.0.0 queued as ", StringComparison.Ordinal));
        string[] outside = Said(lines, "out");
        Assert.Contains(outside, line => line.StartsWith("C: EHLO relay.test", StringComparison.Ordinal));
        Assert.Contains(outside, line => line.StartsWith("C: MAIL FROM:<sender@pass.test>", StringComparison.Ordinal));
        string all = string.Join('\n', lines);
        Assert.DoesNotContain("secret plans", all, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String("alice"u8), all, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String("wonder land"u8), all, StringComparison.Ordinal);
        await end.CancelAsync();
        await watching;
        end.Dispose();
    }

    [Fact]
    public async Task A_message_is_followed_by_its_id_and_what_ends_makes_the_sessions_silent_again()
    {
        using SmtpTalk talk = _rig.Talk();
        talk.Read();
        talk.Say("EHLO client.test");
        _rig.PassThrough(talk, "Subject: before\r\n\r\nx");
        (List<string> lines, CancellationTokenSource end, Task watching) = await WatchAsync(new TraceQuery(Domain: "PASS.test"));
        _rig.PassThrough(talk, "Subject: after\r\n\r\nx");
        Until(lines, "content of ");
        string[] inside = Said(lines, "in ");
        Assert.StartsWith("C: MAIL FROM:<sender@pass.test>", inside[0], StringComparison.Ordinal);
        await end.CancelAsync();
        await watching;
        end.Dispose();
        Assert.True(SpinWait.SpinUntil(() => !_rig.Relay.Log.Tracer.IsOn, 30_000));
        Assert.Throws<AdminException>(() => new TraceQuery(Id: "x").Filter());
        Assert.Throws<AdminException>(() => new TraceQuery(Peer: "nobody").Filter());
        Assert.Equal(new TraceFilter { Domain = "pass.test", Peer = IPNetwork.Parse("10.0.0.0/8") }, new TraceQuery("10.0.0.0/8", "Pass.Test.").Filter());
    }

    [Fact]
    public async Task A_command_shows_lines_as_they_come_and_what_is_lost()
    {
        await using ScriptedAdmin admin = await ScriptedAdmin.StartAsync();
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run(["trace", "--peer", "2001:db8::/32", "--domain", "a.test", "--config", admin.ConfigFile], output, error);
        Assert.Equal((0, "watching; Ctrl-C ends it\n"), (code, error.ToString()));
        Assert.Equal(["trace 2001:db8::/32 a.test "], admin.Desk.Asked);
        string[] lines = output.ToString().Split('\n');
        Assert.Matches(@"^\d\d:\d\d:05\.000 out #7 mx\.test \[192\.0\.2\.1:25\] S: 250 \\x1b\[31m$", lines[0]);
        Assert.Equal("(12 lines are missing here: they came faster than they were shown)", lines[1]);
        code = CommandLine.Run(["trace", "--id", "wrong", "--config", admin.ConfigFile], output, error);
        Assert.Equal(ExitCode.Failure, code);
        Assert.Contains("\"wrong\" is no id", error.ToString());
    }

    [Fact]
    public async Task One_who_does_not_read_slows_no_session()
    {
        await using var silent = new SilentWatcher(_rig);
        await silent.BeginAsync();
        using SmtpTalk talk = _rig.Talk();
        talk.Read();
        talk.Say("EHLO client.test");
        string noop = "NOOP " + new string('x', 400);
        for (int i = 0; i < 2_000; i++)
        {
            Assert.StartsWith("250 ", talk.Say(noop), StringComparison.Ordinal);
        }
        Assert.Equal("Subject: y\r\n\r\nx\r\n", _rig.PassThrough(talk, "Subject: y\r\n\r\nx"));
    }

    /// <summary>Asks for a trace over HTTP and then reads nothing.</summary>
    private sealed class SilentWatcher(RelayRig rig) : IAsyncDisposable
    {
        private readonly TcpClient _client = new() { ReceiveBufferSize = 4_096 };
        private AdminServer? _server;

        public async Task BeginAsync()
        {
            _server = new AdminServer(new IPEndPoint(IPAddress.Loopback, 0), null, "relay.test", new TraceOnlyDesk(rig));
            Assert.Empty(await _server.StartAsync());
            await _client.ConnectAsync(_server.EndPoint!);
            await _client.GetStream().WriteAsync("GET /api/trace HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());
            Assert.True(SpinWait.SpinUntil(() => rig.Relay.Log.Tracer.IsOn, 30_000));
        }

        public async ValueTask DisposeAsync()
        {
            _client.Dispose();
            await _server!.StopAsync();
            _server.Dispose();
        }
    }

    private sealed class TraceOnlyDesk(RelayRig rig) : ScriptedDesk
    {
        public override IAsyncEnumerable<ReadOnlyMemory<byte>> TraceAsync(TraceQuery query, CancellationToken until) =>
            new TraceDesk(rig.Relay.World.Loop, rig.Relay.Log.Tracer).WatchAsync(query.Filter(), until);
    }
}
