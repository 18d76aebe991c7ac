using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Starting, stopping, looking into the queue, and what is said when something is wrong.</summary>
public sealed class ServeTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress());

    public void Dispose() => _sink.Dispose();

    [Fact]
    public void The_version_names_the_runtime_and_OpenSSL()
    {
        string text = Tool.Run(Place.Binary, ["--version"]).Ok().Output;
        Assert.Matches(@"fastrelay \d+\.\d+\.\d+", text);
        Assert.Matches(@"\.NET \d+\.\d+\.\d+", text);
        Assert.Matches(@"OpenSSL \d+\.\d+\.\d+", text);
    }

    [Fact]
    public void The_file_is_static()
    {
        ToolResult result = Tool.Run("ldd", [Place.Binary]);
        Assert.Matches("statically linked|not a dynamic executable", result.Output + result.Error);
    }

    [Fact]
    public void The_start_screen_says_what_it_does_for_whom()
    {
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint)).Start();
        Tool.Until(() => relay.Log.Contains("127.0.0.0/8", StringComparison.Ordinal), 5, () => relay.Log);
        Assert.Contains($"{relay.Address}:{relay.Port}", relay.Log);
        Assert.Contains(Path.Combine(relay.Folder, "spool"), relay.Log);
        Assert.Contains("group", relay.Log);
        Assert.Matches(@"limits +at most \S+ [MG]iB of memory", relay.Log);
    }

    [Fact]
    public void What_is_allowed_and_dangerous_is_said_by_check_on_the_start_screen_and_in_the_log()
    {
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint).Replace("[\"127.0.0.0/8\"]", "[\"0.0.0.0/0\"]", StringComparison.Ordinal).Replace("expire = \"1h\"", "expire = \"1s\"", StringComparison.Ordinal));
        string check = relay.Command("check").Ok().Error;
        relay.Start();
        foreach (string warning in (string[])["relay_for.networks: \"0.0.0.0/0\" lets everybody", "queue.expire: expire, \"1s\", is over before"])
        {
            Assert.Contains("warning: ", check.Split('\n').Single(line => line.Contains(warning, StringComparison.Ordinal)), StringComparison.Ordinal);
            string logged = warning.Replace("\"", "\\\"", StringComparison.Ordinal);
            Tool.Until(() => relay.Log.Split('\n').Any(line => line.StartsWith("warning: ", StringComparison.Ordinal) && line.Contains(warning, StringComparison.Ordinal)), 10, () => relay.Log);
            Tool.Until(() => relay.Log.Split('\n').Any(line => line.Contains("level=warn event=config_warning note=", StringComparison.Ordinal) && line.Contains(logged, StringComparison.Ordinal)), 10, () => relay.Log);
        }
    }

    [Fact]
    public void A_configuration_error_names_file_line_and_key()
    {
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint, "[limits]\nmesage_bytes = \"1MiB\""));
        ToolResult result = relay.Command("check");
        Assert.Equal(78, result.ExitCode);
        int line = Array.FindIndex(File.ReadAllLines(relay.ConfigFile), l => l.Contains("mesage_bytes", StringComparison.Ordinal)) + 1;
        Assert.Contains($"fastrelay.toml:{line}", result.Error);
        Assert.Contains("mesage_bytes", result.Error);
        Assert.Contains("message_bytes", result.Error);
    }

    [Fact]
    public void A_second_relay_on_the_same_spool_refuses()
    {
        using RelayProcess first = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint)).Start();
        ToolResult second = Tool.Run(Place.Binary, ["serve", "--config", first.ConfigFile], timeoutSeconds: 20);
        Assert.NotEqual(0, second.ExitCode);
        Assert.Contains(Path.Combine(first.Folder, "spool"), second.Error + second.Output);
    }

    [Fact]
    public void An_address_in_use_is_named()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint).Replace("{smtp}", $"127.0.0.1:{port}", StringComparison.Ordinal));
        ToolResult result = Tool.Run(Place.Binary, ["serve", "--config", relay.ConfigFile], timeoutSeconds: 20);
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains($"127.0.0.1:{port}", result.Error + result.Output);
        Assert.Contains("EADDRINUSE", result.Error + result.Output);
    }

    [Fact]
    public void The_queue_can_be_listed_shown_retried_and_emptied()
    {
        _sink.Answer = (verb, _) => verb == "RCPT" ? "451 4.2.1 mailbox busy" : null;
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint).Replace("[\"1s\", \"2s\"]", "[\"1h\"]", StringComparison.Ordinal)).Start();
        string id = Send(relay, "busy@example.test");
        string other = Send(relay, "gone@example.test");
        Tool.Until(() => relay.Command("queue", "show", id).Output.Contains("mailbox busy", StringComparison.Ordinal), 20, () => relay.Command("queue", "show", id).Output + relay.Log);
        string list = relay.Command("queue", "list").Ok().Output;
        Assert.Contains(id, list);
        Assert.Contains("busy@example.test", list);
        relay.Command("queue", "remove", other).Ok();
        Assert.Equal(1, relay.QueueCount());
        _sink.Answer = (_, _) => null;
        relay.Command("queue", "retry", id).Ok();
        _sink.WaitFor(a => a.To is ["busy@example.test"]);
        relay.WaitForEmptyQueue();
        Assert.DoesNotContain(_sink.Arrivals, a => a.To is ["gone@example.test"]);
    }

    [Fact]
    public void What_is_queued_survives_a_stop_and_a_kill_with_its_state()
    {
        _sink.Answer = (verb, _) => verb == "RCPT" ? "451 4.2.1 later" : null;
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint)).Start();
        string id = Send(relay, "keep@example.test");
        Tool.Until(() => relay.Command("queue", "show", id).Output.Contains("later", StringComparison.Ordinal), 20, () => relay.Log);
        Assert.Equal(0, relay.Stop());
        relay.Start();
        Assert.Contains(id, relay.Command("queue", "list").Ok().Output);
        relay.Kill();
        relay.Start();
        Assert.Contains(id, relay.Command("queue", "list").Ok().Output);
        _sink.Answer = (_, _) => null;
        _sink.WaitFor(a => a.To is ["keep@example.test"]);
        relay.WaitForEmptyQueue();
        Assert.Single(_sink.Arrivals);
        string inspected = Tool.Run(Place.Binary, ["journal", "inspect", Path.Combine(relay.Folder, "spool")]).Ok().Output;
        Assert.Contains(id, inspected);
    }

    [Fact]
    public void SIGTERM_waits_for_the_reply_that_is_owed_and_serves_clients_meanwhile()
    {
        using var reached = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        _sink.Answer = (verb, _) =>
        {
            if (verb == "DOT")
            {
                reached.Set();
                go.Wait();
            }
            return null;
        };
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint)).Start();
        using SmtpTalk idle = relay.Talk().Hello();
        Send(relay, "owed@example.test");
        Assert.True(reached.Wait(20_000));
        relay.Signal("TERM");
        Tool.Until(() => relay.Log.Contains("event=stopping", StringComparison.Ordinal), 20, () => relay.Log);
        Send(relay, "meanwhile@example.test");
        Assert.False(relay.HasExited);
        go.Set();
        Assert.StartsWith("421 4.3.2", idle.Read());
        Assert.Equal(0, relay.Stop());
        relay.Start();
        relay.WaitForEmptyQueue();
        Assert.Equal(["meanwhile@example.test", "owed@example.test"], _sink.Arrivals.Select(static a => a.To.Single()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_log_reader_that_stopped_blocks_nothing()
    {
        using var relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint));
        var start = new ProcessStartInfo(Place.Binary, ["serve", "--config", relay.ConfigFile]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        try
        {
            Tool.Until(() => { try { using var t = relay.Talk(); return t.Read().Length > 0; } catch (SocketException) { return false; } }, 20, () => "no greeting");
            // Nobody reads its output: 4,000 messages make far more lines than a pipe and the ring hold.
            SmtpSource.Run(relay.Address, relay.Port, 6000, sessions: 8, bytes: 200);
            Tool.Until(() => _sink.Arrivals.Count == 6000, 60, () => $"{_sink.Arrivals.Count} arrived");
            string metrics = new HttpClient().GetStringAsync(new Uri($"http://127.0.0.1:{relay.AdminPort}/metrics")).Result;
            Assert.Matches(@"(?m)^fastrelay_log_lines_dropped_total [1-9]\d*", metrics);
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    [Fact]
    public void A_permanent_failure_makes_one_bounce_to_the_sender_and_none_to_the_null_path()
    {
        _sink.Answer = (verb, line) => verb == "RCPT" && line.Contains("<no@", StringComparison.Ordinal) ? "550 5.1.1 no such user here" : null;
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint)).Start();
        Send(relay, "no@example.test");
        Arrival bounce = _sink.WaitFor(a => a.From.Length == 0);
        Assert.Equal(["s@example.test"], bounce.To);
        Assert.Contains("Status: 5.1.1", bounce.Text);
        Assert.Contains("no such user here", bounce.Text);
        Assert.Contains("Auto-Submitted: auto-replied", bounce.Text);
        relay.WaitForEmptyQueue();
        Send(relay, "no@example.test", from: "");
        relay.WaitForEmptyQueue();
        Assert.Single(_sink.Arrivals);
    }

    [Fact]
    public void A_banner_of_5xx_defers_and_fails_nobody()
    {
        _sink.Answer = (verb, _) => verb == "CONNECT" ? "554 5.7.1 go away" : null;
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint)).Start();
        string id = Send(relay, "patient@example.test");
        Tool.Until(() => relay.Command("queue", "show", id).Output.Contains("go away", StringComparison.Ordinal), 20, () => relay.Command("queue", "show", id).Output + relay.Log);
        Assert.Equal(1, relay.QueueCount());
        _sink.Answer = (_, _) => null;
        relay.Command("queue", "retry", id).Ok();
        _sink.WaitFor(a => a.To is ["patient@example.test"]);
        Assert.DoesNotContain(_sink.Arrivals, a => a.From.Length == 0);
    }

    private static string Send(RelayProcess relay, string to, string from = "s@example.test")
    {
        using SmtpTalk talk = relay.Talk().Hello();
        talk.Say($"MAIL FROM:<{from}>");
        talk.Say($"RCPT TO:<{to}>");
        talk.Say("DATA");
        string reply = talk.Say("Subject: serve\r\n\r\nx\r\n.");
        Assert.StartsWith("250 2.0.0", reply);
        return reply.Split(' ')[^1];
    }
}
