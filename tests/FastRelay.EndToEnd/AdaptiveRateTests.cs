using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>The published binary finds the cap of a provider that no configuration names.</summary>
public sealed class AdaptiveRateTests
{
    private const int Messages = 1_500;

    [Fact]
    public void A_cap_that_nobody_has_configured_is_learned_and_few_attempts_are_refused()
    {
        string scenario = Path.Combine(Place.NewFolder("scenario"), "provider.toml");
        File.WriteAllText(scenario, """
            [[rate]]
            messages = 100
            window   = "2s"
            per      = "address"
            reply    = "450 4.7.1 Message rate exceeded, slow down"
            """);
        using var sink = new SinkProcess("--check", "--scenario", scenario);
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(sink.EndPoint)).Start();

        Tool.Run(Place.Binary, ["load", $"127.0.0.1:{relay.Port}", "--quiet", "-m", $"{Messages}", "-s", "10"]).Ok();
        Tool.Until(() => relay.Figure("rate_refusals_total") > 0, 60, () => relay.Log);
        Assert.Equal(1, relay.Figure("paced_sites"));
        relay.WaitForEmptyQueue(240);

        string page = relay.Command("explain", "someone@example.com").Ok().Output;
        Assert.Contains("messages a minute, learned ", page);
        Assert.Contains(": 450 4.7.1 Message rate exceeded, slow down", page);
        Assert.Contains("messages in 1 min, learned", page);
        using JsonDocument json = JsonDocument.Parse(relay.Command("explain", "someone@example.com", "--json").Ok().Output);
        JsonElement site = json.RootElement.GetProperty("ways")[0].GetProperty("site");
        // 100 in 2 s are 3,000 a minute; a step further than that may have been tried.
        Assert.InRange(site.GetProperty("rate").GetProperty("perMinute").GetDouble(), 600, 6_000);
        Assert.Equal("normal", site.GetProperty("gear").GetString());

        long refused = relay.Figure("rate_refusals_total");
        Assert.InRange(refused, 1, Messages / 10);
        JsonElement report = sink.Stop(0);
        Assert.Equal((Messages, 0), (report.GetProperty("distinct").GetInt64(), report.GetProperty("duplicates").GetInt64()));
    }
}
