using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Alert rules, dashboard and metrics as Prometheus' own tool reads them.</summary>
public sealed class MonitoringTests
{
    private static readonly string s_rules = Path.Combine(Place.Root, "packaging", "prometheus", "fastrelay.rules.yml");

    private static ToolResult Promtool(IEnumerable<string> arguments, string? input = null) =>
        Tool.Run(Needs.Program("promtool"), arguments, input, folder: Path.Combine(Place.Root, "tests"));

    [Fact]
    public void Prometheus_reads_the_alert_rules_and_each_fires_when_it_should_and_only_then()
    {
        Assert.Contains("SUCCESS: 19 rules found", Promtool(["check", "rules", s_rules]).Ok().Output);
        Promtool(["test", "rules", "fastrelay.rules.test.yml"]).Ok();
    }

    [Fact]
    public void Every_expression_of_rules_and_dashboard_is_read_and_names_metrics_that_the_relay_has()
    {
        string page = "";
        string folder = Place.NewFolder("metrics");
        new Certificates(folder).Server("relay.test");
        string tls = $"[tls]\ncertificate = \"{folder}/relay.test.crt\"\nkey = \"{folder}/relay.test.key\"\n";
        // Everybody is put off there: a site has mail that waits.
        using var sink = new Sink(IPAddress.Loopback) { Answer = static (verb, _) => verb == "RCPT" ? "450 4.2.1 later" : null };
        using (RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(sink.EndPoint, tls)).Start())
        {
            Tool.Run(Place.Binary, ["load", $"127.0.0.1:{relay.Port}", "-m", "1", "--quiet"]).Ok();
            Tool.Until(() => (page = Tool.Run("curl", ["-sS", $"http://127.0.0.1:{relay.AdminPort}/metrics"]).Ok().Output).Contains("site_waiting{", StringComparison.Ordinal), 30, () => relay.Log);
            Assert.Matches("(?m)^fastrelay_site_stopped\\{site=\"[^\"]+\"\\} [01]$", page);
            Assert.Matches("(?m)^fastrelay_troubles_total\\{status=\"deferred\",class=\"[a-z-]+\"\\} [1-9]", page);
            Assert.Matches("(?m)^fastrelay_certificate_expires_seconds\\{file=\"\\S+relay\\.test\\.crt\"\\} 1[0-9.e+]+$", page);
            Assert.True(relay.Figure("journal_disk_bytes") > relay.Figure("journal_free_bytes"));
            Assert.True(relay.Figure("journal_floor_bytes") > 0);
        }
        string[] there = [.. Regex.Matches(page, @"(?m)^(fastrelay_\w+)[ {]").Select(static match => match.Groups[1].Value)];
        Assert.True(there.Length >= 60);
        // 3: it would name things otherwise.
        Assert.Contains(Promtool(["check", "metrics"], page).ExitCode, (int[])[0, 3]);

        string[] shown = [.. Expressions()];
        Assert.True(shown.Length >= 30);
        string[] named = [.. shown.Append(File.ReadAllText(s_rules)).SelectMany(static text => Regex.Matches(text, @"\bfastrelay_\w+")).Select(static match => match.Value).Distinct()];
        Assert.Empty(named.Except(there));

        string file = Path.Combine(Place.NewFolder("dashboard"), "dashboard.yml");
        File.WriteAllText(file, "groups:\n  - name: dashboard\n    rules:\n"
            + string.Concat(shown.Select(static (expression, i) => $"      - record: panel:{i}\n        expr: '{expression.Replace("'", "''", StringComparison.Ordinal)}'\n")));
        Assert.Contains($"SUCCESS: {shown.Length} rules found", Promtool(["check", "rules", file]).Ok().Output);
    }

    [Fact]
    public void What_was_delivered_has_its_delay_and_what_waits_its_age_also_after_a_restart()
    {
        using var sink = new SinkProcess();
        // Nobody answers there.
        string config = RelayProcess.SmarthostConfig(sink.EndPoint).Replace("[[route]]", "[[route]]\ndomain = \"later.test\"\nto = \"smtp:[127.0.0.1]:9\"\n[[route]]", StringComparison.Ordinal);
        using RelayProcess relay = new RelayProcess(config).Start();
        Tool.Run(Place.Binary, ["load", $"127.0.0.1:{relay.Port}", "-m", "20", "--quiet"]).Ok();
        relay.WaitForEmptyQueue();
        Assert.Equal((20, 0), (relay.Figure("delivery_delay_seconds_count"), relay.Figure("queue_oldest_seconds")));
        Assert.Equal(20, relay.Figure("delivery_delay_seconds_bucket{le=\"60\"}"));
        Tool.Run(Place.Binary, ["load", $"127.0.0.1:{relay.Port}", "-m", "1", "--to", "u@later.test", "--quiet"]).Ok();
        Tool.Until(() => relay.Figure("queue_oldest_seconds") >= 2, 30, () => relay.Log);
        relay.Stop();
        relay.Start();
        Assert.True(relay.Figure("queue_oldest_seconds") >= 2);
        using JsonDocument status = JsonDocument.Parse(Tool.Run("curl", ["-sS", $"http://127.0.0.1:{relay.AdminPort}/api/status"]).Ok().Output);
        Assert.Contains(status.RootElement.GetProperty("oldest").GetProperty("id").GetString()!, relay.Command("queue", "list").Ok().Output, StringComparison.Ordinal);
    }

    /// <summary>The dashboard's, with what Grafana puts in for its variables.</summary>
    private static IEnumerable<string> Expressions()
    {
        using JsonDocument dashboard = JsonDocument.Parse(File.ReadAllText(Path.Combine(Place.Root, "packaging", "grafana", "fastrelay.json")));
        foreach (JsonElement panel in dashboard.RootElement.GetProperty("panels").EnumerateArray())
        {
            foreach (JsonElement target in panel.TryGetProperty("targets", out JsonElement targets) ? targets.EnumerateArray() : default)
            {
                yield return target.GetProperty("expr").GetString()!.Replace("$__rate_interval", "5m", StringComparison.Ordinal).Replace("$instance", ".*", StringComparison.Ordinal);
            }
        }
    }
}
