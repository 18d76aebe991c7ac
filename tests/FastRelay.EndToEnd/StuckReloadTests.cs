using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>A reload whose file does not come, as from a disk that does not answer: here by a lease.</summary>
public sealed class StuckReloadTests
{
    private const string Token = "0123456789abcdef-secret";

    [Fact]
    public void It_ends_with_the_files_name_and_holds_up_no_later_one()
    {
        using var sink = new Sink(Place.NewAddress());
        using var relay = new RelayProcess("include = [\"limits.toml\"]\n" + RelayProcess.SmarthostConfig(sink.EndPoint, "token_file = \"{folder}/token\"\n"));
        File.WriteAllText(Path.Combine(relay.Folder, "token"), Token + "\n");
        File.SetUnixFileMode(Path.Combine(relay.Folder, "token"), UnixFileMode.UserRead);
        string limits = Path.Combine(relay.Folder, "limits.toml");
        File.WriteAllText(limits, "[limits]\nhops = 50\n");
        relay.Start();
        using var lease = new FileLease(limits);
        (HttpStatusCode status, string said) = Reload(relay);
        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Contains($"{limits}: could not be read within 10 s", said);
        // The holder still holds the old one.
        File.WriteAllText(limits + ".new", "[limits]\nhops = 60\n");
        File.Move(limits + ".new", limits, overwrite: true);
        (status, said) = Reload(relay);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Contains("limits.hops", said);
        relay.Signal("HUP");
        Tool.Until(() => relay.Log.Split("event=reloaded").Length == 3, 30, () => relay.Log);
        Assert.Contains("could not be read within 10 s", relay.Log);
        lease.Dispose();
        Assert.Equal(0, relay.Stop());
    }

    private static (HttpStatusCode Status, string Said) Reload(RelayProcess relay)
    {
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        using var body = new StringContent("{}", null, "application/json");
        using HttpResponseMessage answer = http.PostAsync(new Uri($"http://127.0.0.1:{relay.AdminPort}/api/reload"), body).GetAwaiter().GetResult();
        return (answer.StatusCode, answer.Content.ReadAsStringAsync().GetAwaiter().GetResult());
    }
}
