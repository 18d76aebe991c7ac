using System.Diagnostics;
using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>A reload whose file does not come, as from a disk that does not answer: here another process holds a lease on it (fcntl(2)), and whoever opens it waits.</summary>
public sealed class StuckReloadTests
{
    private const string Lease = """
        import fcntl, os, signal, sys
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        file = os.open(sys.argv[1], os.O_RDWR)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        print("held", flush=True)
        sys.stdin.read()
        """;

    [Fact]
    public void It_ends_with_the_files_name_and_holds_up_no_later_one()
    {
        using var sink = new Sink(Place.NewAddress());
        using var relay = new RelayProcess("include = [\"limits.toml\"]\n" + RelayProcess.SmarthostConfig(sink.EndPoint));
        string limits = Path.Combine(relay.Folder, "limits.toml");
        File.WriteAllText(limits, "[limits]\nhops = 50\n");
        relay.Start();
        using Process holder = Tool.Start("python3", ["-c", Lease, limits]);
        Assert.Equal("held", holder.StandardOutput.ReadLine());
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
        holder.StandardInput.Close();
        holder.WaitForExit();
        Assert.Equal(0, relay.Stop());
    }

    private static (HttpStatusCode Status, string Said) Reload(RelayProcess relay)
    {
        using var http = new HttpClient();
        using var body = new StringContent("{}", null, "application/json");
        using HttpResponseMessage answer = http.PostAsync(new Uri($"http://127.0.0.1:{relay.AdminPort}/api/reload"), body).GetAwaiter().GetResult();
        return (answer.StatusCode, answer.Content.ReadAsStringAsync().GetAwaiter().GetResult());
    }
}
