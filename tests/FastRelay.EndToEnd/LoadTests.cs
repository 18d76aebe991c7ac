using System.Diagnostics;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>The load tester of the published binary: against itself, around a relay, and against Postfix's programs.</summary>
public sealed class LoadTests
{
    [Fact]
    public void What_load_sends_through_a_relay_reaches_the_sink_once_and_intact()
    {
        using var sink = new SinkProcess("--check");
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(sink.EndPoint)).Start();

        ToolResult load = Load(relay.Port, "-m", "500", "-s", "20", "--per-session", "10", "--recipients", "3", "--size", "1KiB-40KiB");
        relay.WaitForEmptyQueue(60);
        JsonElement report = sink.Stop(0);

        Assert.True(load.ExitCode == 0, load.Output + load.Error);
        JsonElement sent = JsonDocument.Parse(load.Output).RootElement;
        Assert.Equal(500, sent.GetProperty("accepted").GetInt64());
        Assert.Equal(1500, sent.GetProperty("recipientsAccepted").GetInt64());
        Assert.Equal(500, sent.GetProperty("message").GetProperty("count").GetInt64());
        Assert.Equal(1500, report.GetProperty("distinct").GetInt64());
        Assert.Equal(0, report.GetProperty("damaged").GetInt64() + report.GetProperty("duplicates").GetInt64() + report.GetProperty("unmarked").GetInt64());
        Assert.Equal(report.GetProperty("intact").GetInt64(), report.GetProperty("endToEnd").GetProperty("count").GetInt64());
    }

    [Fact]
    public void Load_says_by_its_exit_code_that_something_was_refused()
    {
        string scenario = Path.Combine(Place.NewFolder("scenario"), "provider.toml");
        File.WriteAllText(scenario, "[[fault]]\nat = \"dot\"\nodds = \"50%\"\nreply = \"451 4.3.0 no\"\n");
        using var sink = new SinkProcess("--scenario", scenario, "--seed", "1");

        ToolResult load = Load(sink.EndPoint.Port, "-m", "100");
        JsonElement report = sink.Stop(0);

        Assert.Equal(1, load.ExitCode);
        JsonElement sent = JsonDocument.Parse(load.Output).RootElement;
        Assert.Equal(100, sent.GetProperty("accepted").GetInt64() + sent.GetProperty("refused").GetInt64());
        Assert.Equal(sent.GetProperty("refused").GetInt64(), report.GetProperty("messagesRefused").GetInt64());
        Assert.InRange(sent.GetProperty("refused").GetInt64(), 1, 99);
    }

    [Fact]
    public void A_sink_ends_by_itself_after_its_copies_and_each_was_answered()
    {
        using var sink = new SinkProcess("--copies", "100");

        ToolResult load = Load(sink.EndPoint.Port, "-m", "50", "-s", "5", "--recipients", "2");
        JsonElement report = sink.End(0);

        Assert.True(load.ExitCode == 0, load.Output + load.Error);
        Assert.Equal(50, report.GetProperty("messages").GetInt64());
    }

    [Fact]
    public void What_a_signal_ends_early_says_so()
    {
        using var sink = new SinkProcess("--copies", "1000000");
        string file = Path.Combine(Place.NewFolder("load"), "report.json");
        using Process load = Tool.Start(Place.Binary, ["load", sink.EndPoint.ToString(), "--quiet", "-d", "600s", "-s", "4", "--samples", "--interval", "100", "--json", file]);
        string? sample;
        do
        {
            sample = load.StandardOutput.ReadLine();
        }
        while (sample is not null && sample.Contains("\"messages\":0,", StringComparison.Ordinal));
        Assert.NotNull(sample);
        Tool.Run("kill", ["-TERM", load.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]).Ok();
        Assert.Contains("stopped by a signal after", load.StandardError.ReadToEnd(), StringComparison.Ordinal);
        load.WaitForExit();
        JsonElement sent = JsonDocument.Parse(File.ReadAllText(file)).RootElement;
        JsonElement report = sink.Stop(1);

        Assert.Equal(1, load.ExitCode);
        Assert.True(sent.GetProperty("accepted").GetInt64() > 0);
        Assert.All([sent, report], one => Assert.False(one.GetProperty("isComplete").GetBoolean()));
        Assert.False(sent.GetProperty("isClean").GetBoolean());
        Assert.All([sent, report], one => Assert.Matches(@"^\d+\.\d+\.\d+", one.GetProperty("version").GetString()));
        Assert.Equal("4096", sent.GetProperty("parameters").GetProperty("size").GetString());
    }

    [Fact]
    public void Real_messages_go_through_TLS_and_AUTH_from_several_addresses_in_an_open_loop()
    {
        string folder = Place.NewFolder("load");
        var certificates = new Certificates(folder);
        certificates.Server("127.0.0.1").Dispose();
        string[] messages = ["Subject: one\r\n\r\n.a line with a dot\r\n", "Subject: two\r\n\r\n" + new string('x', 70_000) + "\r\n"];
        for (int i = 0; i < messages.Length; i++)
        {
            File.WriteAllText(Path.Combine(folder, $"{i}.eml"), messages[i]);
        }
        using var sink = new SinkProcess("--certificate", certificates.CertificateFile("127.0.0.1"), "--key", certificates.KeyFile("127.0.0.1"));

        ToolResult load = Tool.Run("env", ["FASTRELAY_LOAD_PASSWORD=secret", Place.Binary, "load", sink.EndPoint.ToString(), "--quiet", "-m", "40", "-s", "4", "--per-session", "5",
            "--tls", "starttls", "--auth", "user", "--eml", folder, "--source", "127.0.4.0/30", "--rate", "200"]);
        JsonElement report = sink.Stop(0);

        JsonElement sent = JsonDocument.Parse(load.Ok().Output).RootElement;
        Assert.Equal(("open", 40), (sent.GetProperty("loop").GetString(), sent.GetProperty("accepted").GetInt64()));
        Assert.Equal(report.GetProperty("connections").GetInt64(), report.GetProperty("tls").GetInt64());
        Assert.Equal(report.GetProperty("connections").GetInt64(), Count(report, "auth", 235));
        // Twenty of each as they go over the wire, with a stuffed dot and the final one, behind the field that load adds.
        Assert.InRange(report.GetProperty("bytes").GetInt64() - (20L * (messages[0].Length + 1 + messages[1].Length + (2 * 3))), 40 * "X-FastRelay-Load: ".Length, 40 * 200);
    }

    [Fact]
    public void A_server_that_lets_nobody_in_is_given_up_and_named()
    {
        string scenario = Path.Combine(Place.NewFolder("scenario"), "provider.toml");
        File.WriteAllText(scenario, "[[fault]]\nat = \"banner\"\nreply = \"554 5.7.1 no\"\n");
        using var sink = new SinkProcess("--scenario", scenario);
        ToolResult load = Load(sink.EndPoint.Port, "-m", "5", "-s", "2");
        sink.Stop(0);
        Assert.Equal(1, load.ExitCode);
        Assert.Contains($"{sink.EndPoint} takes no mail: 554 to banner", load.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_usage_is_exit_code_2_and_a_server_that_is_not_there_is_1()
    {
        Assert.Equal(2, Tool.Run(Place.Binary, ["load", "127.0.0.1:1", "--size", "huge"]).ExitCode);
        Assert.Equal(2, Tool.Run(Place.Binary, ["load", "127.1:25"]).ExitCode);
        Assert.Equal(2, Tool.Run(Place.Binary, ["load", "127.0.0.1:1", "--poisson"]).ExitCode);
        Assert.Equal(2, Tool.Run(Place.Binary, ["load", "127.0.0.1:1", "--hold", "1s", "--rate", "5"]).ExitCode);
        ToolResult nobody = Load(Place.FreePort(), "-m", "1");
        Assert.Equal(1, nobody.ExitCode);
        Assert.Contains("nothing answers", nobody.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_is_found_by_its_name_and_its_certificate_has_to_be_for_that_name()
    {
        string folder = Place.NewFolder("load");
        var certificates = new Certificates(folder);
        certificates.Server("localhost").Dispose();
        using var sink = new SinkProcess("--certificate", certificates.CertificateFile("localhost"), "--key", certificates.KeyFile("localhost"));
        ToolResult To(string host) => Tool.Run("env", [$"SSL_CERT_FILE={certificates.AuthorityFile}", Place.Binary, "load", $"{host}:{sink.EndPoint.Port}", "--quiet", "-m", "5", "-s", "1", "--tls", "starttls", "--verify"]);

        JsonElement report = JsonDocument.Parse(To("localhost").Ok().Output).RootElement;
        Assert.Equal(($"localhost:{sink.EndPoint.Port}", "127.0.0.1"), (report.GetProperty("target").GetString(), report.GetProperty("addresses")[0].GetString()));
        ToolResult byAddress = To("127.0.0.1");
        sink.Stop(0);
        Assert.Equal(1, byAddress.ExitCode);
        Assert.Contains("takes no mail: the TLS handshake failed", byAddress.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("load", "nosuch.invalid:25")]
    [InlineData("bench", "accept", "-m", "1", "--target", "nosuch.invalid:25")]
    public void A_name_that_leads_nowhere_is_named(params string[] arguments)
    {
        ToolResult result = Tool.Run(Place.Binary, arguments, folder: Place.NewFolder("load"));
        Assert.Equal((1, ""), (result.ExitCode, result.Output));
        Assert.StartsWith("fastrelay: nosuch.invalid: ", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_and_sink_understand_Postfix_smtp_sink_and_smtp_source()
    {
        int port = Place.FreePort();
        using Process postfix = Tool.Start(Needs.Program("smtp-sink"), ["-u", "nobody", $"127.0.0.1:{port}", "100"]);
        try
        {
            Tool.Until(() => Load(port, "-m", "10", "-s", "1").ExitCode == 0, 20, () => "smtp-sink took nothing");
            Load(port, "-m", "300", "-s", "10", "--per-session", "7").Ok();
        }
        finally
        {
            postfix.Kill(entireProcessTree: true);
        }

        using var sink = new SinkProcess();
        Tool.Run(Needs.Program("smtp-source"), ["-s", "10", "-m", "300", "-l", "5000", "-f", "a@b.test", "-t", "c@d.test", $"127.0.0.1:{sink.EndPoint.Port}"]).Ok();
        JsonElement report = sink.Stop(0);
        Assert.Equal(300, report.GetProperty("messages").GetInt64());
    }

    private static long Count(JsonElement report, string at, int code) =>
        report.GetProperty("replies").EnumerateArray().Where(r => r.GetProperty("at").GetString() == at && r.GetProperty("code").GetInt32() == code).Sum(r => r.GetProperty("count").GetInt64());

    private static ToolResult Load(int port, params string[] arguments) =>
        Tool.Run(Place.Binary, ["load", $"127.0.0.1:{port}", "--quiet", .. arguments]);
}
