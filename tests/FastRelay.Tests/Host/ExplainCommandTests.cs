using System.Text.Json;
using FastRelay.Host.Admin;
using FastRelay.Host.Commands;

namespace FastRelay.Tests.Host;

public sealed class ExplainCommandTests : IAsyncLifetime
{
    /// <summary>What the scripted desk explains.</summary>
    internal static readonly ExplainWay Way = new(
        "one.test", "backoff", "the end of the site's backoff, in 4 min 10 s after 3 failures in a row, because: 421 \u001b[2J busy", "mx:", null, null, "verified", "ok", null, 290,
        [
            new ExplainHost(10, "mx.one.test", ["192.0.2.1:25", "[2001:db8::1]:25"]) { ClearSeconds = 3_483, AloneSeconds = 86_000 },
            new ExplainHost(20, "mx2.one.test", ["192.0.2.2:25"]) { AvoidedSeconds = 12, ClosesAfter = 1, ClosesSeconds = 3_000 },
        ],
        [new ExplainDns("one.test", "MX", "ok", ["10 mx.one.test"], 290, false), new ExplainDns("mx.one.test", "AAAA", "no-data", [], 3, true)],
        new ExplainSite("mx.one.test", "one.example", "backoff", "421 busy", 250, 3, 40, 0, 0),
        41, 40,
        [new ExplainLimit("site sessions", 1, 1, true), new ExplainLimit("send_sessions", 7, 2000, false)],
        91.5, null)
    {
        TlsBy = "[[site]] \"one.example\"",
        Certificate = new ExplainCertificate("/etc/fastrelay/our.crt", "CN=relay.test", new DateTimeOffset(2020, 1, 2, 3, 4, 5, TimeSpan.Zero)),
        Budget = new ExplainBudget("one.example", 1_000, 300, 22, 2, 20, "slow", "421 4.7.0 slow down", 600),
    };

    private ScriptedAdmin _admin = null!;

    public async Task InitializeAsync() => _admin = await ScriptedAdmin.StartAsync();

    public async Task DisposeAsync() => await _admin.DisposeAsync();

    private (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = CommandLine.Run([.. arguments, "--config", _admin.ConfigFile], output, error);
        return (code, output.ToString(), error.ToString());
    }

    [Fact]
    public void One_screen_says_what_mail_waits_for_and_by_which_limits()
    {
        (int code, string output, string error) = Run("explain", "one.test");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal(
            """
            to         one.test
            waits for  the end of the site's backoff, in 4 min 10 s after 3 failures in a row, because: 421 \x1b[2J busy
            route      the hosts that DNS names, since no row of [[route]] matches
            tls        verified, as [[site]] "one.example" says; the certificate of CN=relay.test, which ended on 2020-01-02, is shown to a host that asks
            plan       ok; holds 290 s more
            host          10  mx.one.test  192.0.2.1:25, [2001:db8::1]:25; in clear for 3,483 s, since a TLS handshake failed; one message at a time for 86,000 s, since a message was left in doubt
            host          20  mx2.one.test  192.0.2.2:25; avoided for 12 s, since it did not serve: the others are tried first; closes after 1 message, which we keep to for 3,000 s
            dns           MX  one.test  10 mx.one.test  (290 s)
            dns         AAAA  mx.one.test  no-data  (stale: no server answers; 3 s)
            site       mx.one.test (one.example): 40 ready, 0 in delivery, 0 connections
            gear       backoff for 250 s, after 3 failures in a row: 421 busy
            provider   one.example: 1,000 sites share 20 sessions, 20 at work; 300 wait for their turn; gear slow: 421 4.7.0 slow down
            queued     41 for this destination, 40 of them ready
            limit          1 of 1      site sessions  <- used up
            limit          7 of 2,000  send_sessions
            ceiling    none in this gear; 91.5 ms a delivery lately

            """,
            output);
    }

    [Fact]
    public void A_message_is_explained_with_its_head()
    {
        string output = Run("explain", "0000000000001").Output;
        Assert.Contains("id         0000000000001\nsender     a@sender.test\n", output);
        Assert.Contains("waits for  the end of the site's backoff", output);
    }

    [Fact]
    public void Json_is_the_whole_answer()
    {
        using JsonDocument json = JsonDocument.Parse(Run("explain", "one.test", "--json").Output);
        JsonElement way = json.RootElement.GetProperty("ways")[0];
        Assert.Equal("backoff", way.GetProperty("waitsFor").GetString());
        Assert.Equal(2, way.GetProperty("limits").GetArrayLength());
        Assert.False(way.TryGetProperty("ceilingPerSecond", out _));
        JsonElement host = way.GetProperty("hosts")[0];
        Assert.Equal((3_483, 86_000), (host.GetProperty("clearSeconds").GetInt32(), host.GetProperty("aloneSeconds").GetInt32()));
        Assert.False(host.TryGetProperty("avoidedSeconds", out _));
        host = way.GetProperty("hosts")[1];
        Assert.Equal((12, 1, 3_000), (host.GetProperty("avoidedSeconds").GetInt32(), host.GetProperty("closesAfter").GetInt32(), host.GetProperty("closesSeconds").GetInt32()));
    }

    [Fact]
    public void What_is_nowhere_is_said_to_be_nowhere()
    {
        (int code, string output, string error) = Run("explain", "nothing here");
        Assert.Equal((1, ""), (code, output));
        Assert.StartsWith("fastrelay: nothing here is no message in the queue", error);
    }

    [Theory]
    [InlineData("<someone@one.test>")]
    [InlineData("some one@one.test")]
    [InlineData("someone@one.test>x")]
    [InlineData("someone@one.test ORCPT=x")]
    [InlineData("someone@one.test\r\nRSET")]
    public void What_could_not_stand_in_RCPT_is_no_address(string target)
    {
        (int code, string output, string error) = Run("explain", target, "--try");
        Assert.Equal((2, ""), (code, output));
        Assert.Contains("is no address: write it without brackets or spaces", error);
    }
}
