using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using FastRelay.EndToEnd.Rig;
using FastRelay.EndToEnd.Rig.Servers;

namespace FastRelay.EndToEnd;

/// <summary>Many messages in flight on one connection, to our own sink and to Postfix.</summary>
public sealed partial class InFlightTests
{
    private const string OneConnection = "[limits]\nsend_sessions_per_site = 1\n";

    [Fact]
    public void All_messages_reach_the_sink_by_BDAT_once_and_intact()
    {
        using var sink = new SinkProcess("--check");
        using RelayProcess relay = Relay(sink.EndPoint, 64).Start();
        ToolResult load = Tool.Run(Place.Binary, ["load", $"127.0.0.1:{relay.Port}", "--quiet", "-m", "500", "-s", "20", "--recipients", "3", "--size", "100-60KiB"]);
        relay.WaitForEmptyQueue(60);
        JsonElement report = sink.Stop(0);
        Assert.True(load.ExitCode == 0, load.Output + load.Error);
        Assert.Equal(1500, report.GetProperty("distinct").GetInt64());
        Assert.Equal(500, report.GetProperty("intact").GetInt64());
        Assert.Equal(0, report.GetProperty("damaged").GetInt64() + report.GetProperty("duplicates").GetInt64() + report.GetProperty("unmarked").GetInt64());
        Assert.DoesNotContain(report.GetProperty("replies").EnumerateArray(), reply => reply.GetProperty("code").GetInt32() == 354);
    }

    [Fact]
    public void Refusals_of_a_sink_in_the_middle_of_flights_put_off_their_own_messages_and_all_arrive_once()
    {
        string scenario = Path.Combine(Place.NewFolder("scenario"), "provider.toml");
        File.WriteAllText(scenario, string.Concat(((string[])["mail", "rcpt", "dot"]).Select(at => $"[[fault]]\nat = \"{at}\"\nodds = \"10%\"\nreply = \"451 4.3.0 not now\"\n")));
        using var sink = new SinkProcess("--check", "--scenario", scenario, "--seed", "5");
        using RelayProcess relay = Relay(sink.EndPoint, 64).Start();
        ToolResult load = Tool.Run(Place.Binary, ["load", $"127.0.0.1:{relay.Port}", "--quiet", "-m", "300", "-s", "20", "--size", "4KiB"]);
        relay.WaitForEmptyQueue(90);
        JsonElement report = sink.Stop(0);
        Assert.True(load.ExitCode == 0, load.Output + load.Error);
        Assert.Equal(300, report.GetProperty("distinct").GetInt64());
        Assert.Equal(300, report.GetProperty("intact").GetInt64());
        Assert.Equal(0, report.GetProperty("damaged").GetInt64() + report.GetProperty("duplicates").GetInt64());
        Assert.DoesNotContain("cause=in-doubt", relay.Log, StringComparison.Ordinal);
    }

    [Fact]
    public void Postfix_takes_500_messages_in_flight_each_under_its_own_envelope()
    {
        using var sink = new Sink(Place.NewAddress());
        using var postfix = new PostfixServer(new MailServerOptions { Sink = sink.EndPoint });
        using RelayProcess relay = Relay(postfix.EndPoint, 64).Start();
        using SmtpTalk talk = relay.Talk().Hello();
        for (int i = 0; i < 500; i++)
        {
            Assert.StartsWith("250", talk.Say($"MAIL FROM:<from{i}@chain.test>"));
            Assert.StartsWith("250", talk.Say($"RCPT TO:<to{i}@chain.test>"));
            Assert.StartsWith("354", talk.Say("DATA"));
            Assert.StartsWith("250", talk.Say($"Subject: {i}\r\n\r\n..dots\r\n{new string('x', i)}\r\n."));
        }
        Tool.Until(() => sink.Arrivals.Count >= 500, 120, () => $"{sink.Arrivals.Count} of 500 arrived\n{relay.Log}");
        relay.WaitForEmptyQueue();
        relay.Stop();
        Assert.Equal(500, sink.Arrivals.Count);
        foreach (Arrival arrival in sink.Arrivals)
        {
            string number = Subject().Match(arrival.Text).Groups[1].Value;
            Assert.Equal($"from{number}@chain.test", arrival.From);
            Assert.Equal([$"to{number}@chain.test"], arrival.To);
            Assert.EndsWith($"\r\n\r\n.dots\r\n{new string('x', int.Parse(number, CultureInfo.InvariantCulture))}\r\n", arrival.Text);
        }
        Assert.Equal(500, sink.Arrivals.SelectMany(arrival => arrival.To).Distinct().Count());
        string log = "";
        Tool.Until(() => Chunks(log = postfix.Log) == 500, 20, () => $"{Chunks(log)} of 500 by BDAT\n{log}");
    }

    private static int Chunks(string log) => BdatCount().Matches(log).Sum(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));

    private static RelayProcess Relay(IPEndPoint host, int inFlight) =>
        new(RelayProcess.SmarthostConfig(host, OneConnection).Replace($":{host.Port}\"", $":{host.Port}\"\ntls = \"none\"\nin_flight = {inFlight}", StringComparison.Ordinal));

    [GeneratedRegex(@"\r\nSubject: (\d+)\r\n")]
    private static partial Regex Subject();

    [GeneratedRegex(@"disconnect from .* bdat=(\d+)")]
    private static partial Regex BdatCount();
}
