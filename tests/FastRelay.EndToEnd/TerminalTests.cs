using System.Diagnostics;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary><c>load</c>, <c>sink</c> and <c>bench</c> on a terminal, as people use them: a live screen, and a report at the end.</summary>
public sealed class TerminalTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Load_and_sink_show_a_screen_and_leave_their_reports(bool toFile)
    {
        int port = Place.FreePort();
        string folder = Place.NewFolder("terminal");
        string[] To(string name) => toFile ? ["--json", Path.Combine(folder, name)] : [];
        using Process sink = OnTerminal(["sink", "--port", $"{port}", "--check", "--copies", "300", "--interval", "100", .. To("sink.json")]);
        Tool.Until(() => Listens(port), 30, () => "the sink does not listen");
        using Process load = OnTerminal(["load", $"127.0.0.1:{port}", "-m", "300", "-s", "8", "--interval", "100", .. To("load.json")]);

        (string loadShown, string sinkShown) = (End(load), End(sink));

        Assert.Contains("load to 127.0.0.1:", loadShown, StringComparison.Ordinal);
        Assert.Contains("sink on 127.0.0.1:", sinkShown, StringComparison.Ordinal);
        // The cursor is hidden while the screen is drawn, and comes back.
        Assert.True(loadShown.LastIndexOf("\u001b[?25h", StringComparison.Ordinal) > loadShown.LastIndexOf("\u001b[?25l", StringComparison.Ordinal), loadShown);
        // A warning may follow: a busy machine is a reason for one.
        string Report(string name, string shown) => toFile ? File.ReadAllText(Path.Combine(folder, name))
            : shown[shown.IndexOf("{\r\n", StringComparison.Ordinal)..(shown.LastIndexOf("\r\n}", StringComparison.Ordinal) + 3)];
        Assert.Equal(300, JsonDocument.Parse(Report("load.json", loadShown)).RootElement.GetProperty("accepted").GetInt64());
        Assert.Equal(300, JsonDocument.Parse(Report("sink.json", sinkShown)).RootElement.GetProperty("intact").GetInt64());
    }

    [Fact]
    public void A_report_that_is_redirected_is_whole_while_the_screen_is_drawn()
    {
        using var sink = new SinkProcess();
        string file = Path.Combine(Place.NewFolder("terminal"), "report.json");
        using Process load = OnTerminal(["-c", $"exec {Place.Binary} load {sink.EndPoint} -m 100 >{file}"], "/bin/sh");
        string shown = End(load);
        sink.Stop(0);
        Assert.Contains("load to 127.0.0.1:", shown, StringComparison.Ordinal);
        Assert.Equal(100, JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("accepted").GetInt64());
    }

    [Fact]
    public void Bench_reports_on_a_terminal()
    {
        string folder = Place.NewFolder("terminal");
        string json = Path.Combine(folder, "report.json");
        using Process bench = OnTerminal(["bench", "relay", "-m", "100", "-s", "4", "--folder", folder, "--json", json]);
        string shown = End(bench);
        Assert.Contains("relay 1 of 1: accepted", shown, StringComparison.Ordinal);
        Assert.Equal(100, JsonDocument.Parse(File.ReadAllText(json)).RootElement.GetProperty("runs")[0].GetProperty("load").GetProperty("accepted").GetInt64());
    }

    /// <summary>All that it showed; it must have ended well.</summary>
    private static string End(Process process)
    {
        string shown = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(60_000), shown);
        Assert.True(process.ExitCode == 0, $"exit code {process.ExitCode}\n{shown}");
        return shown;
    }

    /// <summary>Runs a program with a terminal of 40 lines and 120 columns for all three streams; what is shown there comes out of the process.</summary>
    private static Process OnTerminal(IEnumerable<string> arguments, string? program = null)
    {
        const string Script = """
            import fcntl, os, pty, struct, sys, termios
            pid, terminal = pty.fork()
            if pid == 0:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
                os.environ["TERM"] = "xterm-256color"
                os.execv(sys.argv[1], sys.argv[1:])
            while True:
                try:
                    shown = os.read(terminal, 65536)
                except OSError:
                    break
                if not shown:
                    break
                os.write(1, shown)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            sys.exit(code if code >= 0 else 128 - code)
            """;
        return Tool.Start("python3", ["-c", Script, program ?? Place.Binary, .. arguments]);
    }

    private static bool Listens(int port)
    {
        try
        {
            using var talk = new SmtpTalk(System.Net.IPAddress.Loopback, port);
            return talk.Read().StartsWith("220", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is System.Net.Sockets.SocketException or IOException)
        {
            return false;
        }
    }
}
