using System.Net;
using System.Net.Sockets;
using System.Text;

namespace FastRelay.Tests.Host;

public sealed class AdminHttpTests : IAsyncLifetime
{
    private ScriptedAdmin _admin = null!;

    public async Task InitializeAsync() => _admin = await ScriptedAdmin.StartAsync();

    public async Task DisposeAsync() => await _admin.DisposeAsync();

    /// <summary>Sends a request as bytes, so that every header is exactly what the test says; HTTP/1.0, so that the answer has no chunks.</summary>
    private async Task<(int Status, string Body)> SendAsync(string request)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _admin.Port);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.UTF8.GetBytes(request.Replace("\n", "\r\n", StringComparison.Ordinal)));
        using var reader = new StreamReader(stream, Encoding.UTF8);
        string answer = await reader.ReadToEndAsync();
        int body = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        return (int.Parse(answer.AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture), answer[(body + 4)..]);
    }

    private Task<(int Status, string Body)> GetAsync(string path, string host = "localhost") =>
        SendAsync($"GET {path} HTTP/1.0\nHost: {host}\nConnection: close\n\n");

    private Task<(int Status, string Body)> PostAsync(string path, string json, string headers = "Content-Type: application/json\n") =>
        SendAsync($"POST {path} HTTP/1.0\nHost: localhost\nConnection: close\n{headers}Content-Length: {json.Length}\n\n{json}");

    [Fact]
    public async Task Health_metrics_and_status_are_there()
    {
        (int status, string body) = await GetAsync("/healthz");
        Assert.Equal((200, "ok\n"), (status, body));
        (status, body) = await GetAsync("/metrics");
        Assert.Equal(200, status);
        Assert.Contains("fastrelay_info{version=\"1.2.3\",sync=\"group\"} 1\n", body);
        Assert.Contains("# TYPE fastrelay_accepted_total counter\nfastrelay_accepted_total 42\n", body);
        Assert.Matches(@"(?m)^fastrelay_log_lines_dropped_total 7$", body);
        (status, body) = await GetAsync("/api/status");
        Assert.Equal(200, status);
        Assert.Contains("\"hostName\":\"relay.test\"", body);
        Assert.Contains("\"accepted_total\":42,", body);
        Assert.Contains("\"loop_longest_turn_seconds\":0.00125", body);
        Assert.Contains("\"oldest\":{\"id\":\"0000000000001\",\"arrived\":\"2026-01-02T03:04:05+00:00\",\"ageSeconds\":12.5}", body);
        Assert.Contains("\"delays\":{\"boundsSeconds\":[0.005,0.01,", body);
    }

    [Fact]
    public async Task Every_line_of_metrics_is_a_comment_or_a_sample_and_every_figure_has_both()
    {
        (_, string body) = await GetAsync("/metrics");
        string[] lines = body.TrimEnd('\n').Split('\n');
        Assert.All(lines, line => Assert.Matches(@"^(# (HELP|TYPE) (fastrelay|process)_[a-z_]+ \S.*|process_[a-z_]+ [0-9.]+|fastrelay_[a-z_]+(\{[a-z]+=""[^""]*""(,[a-z]+=""[^""]*"")*\})? [\d.]+)$", line));
        string[] types = [.. lines.Where(static line => line.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(static line => line.Split(' ')[2])];
        Assert.Equal(types, lines.Where(static line => line.StartsWith("# HELP ", StringComparison.Ordinal)).Select(static line => line.Split(' ')[2]));
        Assert.Empty(FastRelay.Host.Admin.Figure.All.Select(static figure => "fastrelay_" + figure.Name).Except(types));
        Assert.Contains("fastrelay_certificate_expires_seconds{file=\"/etc/relay.crt\"} 1000", lines);
        Assert.Contains(lines, static line => line.StartsWith("fastrelay_site_waiting{site=", StringComparison.Ordinal));
        Assert.Equal(FastRelay.Host.Admin.Figure.All.Count, FastRelay.Host.Admin.Figure.All.Select(f => f.Name).Distinct().Count());
    }

    [Fact]
    public async Task The_page_is_one_file_and_only_its_own_script_may_run()
    {
        (int status, string body) = await GetAsync("/");
        Assert.Equal(200, status);
        Assert.StartsWith("<!doctype html>", body);
        Assert.DoesNotMatch("(src|href)=|https?://|innerHTML|insertAdjacent|document.write|eval", body.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal));
        string script = body[(body.IndexOf("<script>", StringComparison.Ordinal) + 8)..body.IndexOf("</script>", StringComparison.Ordinal)];
        string digest = Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(script)));
        Assert.Contains($"script-src 'sha256-{digest}'", FastRelay.Host.Admin.StatusPage.Policy);
        Assert.Single(System.Text.RegularExpressions.Regex.Matches(body, "<script"));
        Assert.Contains("\"gear\":\"backoff\"", (await GetAsync("/api/sites")).Body);
    }

    [Fact]
    public async Task The_page_asks_a_site_for_nothing_that_the_api_does_not_send()
    {
        (_, string body) = await GetAsync("/");
        HashSet<string> sent = [.. typeof(FastRelay.Host.Admin.ExplainSite).GetProperties().Select(p => char.ToLowerInvariant(p.Name[0]) + p.Name[1..])];
        HashSet<string> asked = [.. System.Text.RegularExpressions.Regex.Matches(body, @"\bsite\.([a-zA-Z]+)").Select(m => m.Groups[1].Value)];
        Assert.Contains("gearSeconds", asked);
        Assert.Subset(sent, asked);
        Assert.Contains("/api/sites/", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"site\":null}")]
    [InlineData("{\"site\":\"\"}")]
    public async Task A_suspension_of_no_site_is_a_wrong_request(string body)
    {
        foreach (string action in new[] { "suspend", "resume" })
        {
            (int status, string said) = await PostAsync("/api/sites/" + action, body);
            Assert.Equal(400, status);
            Assert.Contains("is missing", said, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_queue_comes_in_pages_and_by_filters()
    {
        (int status, string body) = await GetAsync("/api/queue?limit=2");
        Assert.Equal(200, status);
        Assert.Contains("\"id\":\"0000000000001\"", body);
        Assert.Contains("\"next\":2", body);
        Assert.Contains("mailbox busy", body);
        (_, body) = await GetAsync("/api/queue?limit=2&from=2");
        Assert.Contains("\"id\":\"0000000000003\"", body);
        Assert.DoesNotContain("\"next\"", body);
        Assert.Equal("{\"count\":1}", (await GetAsync("/api/queue?count=only&state=held&domain=two.test")).Body);
        Assert.Equal("{\"count\":1}", (await GetAsync("/api/queue?count=only&sender=")).Body);
    }

    [Theory]
    [InlineData("/api/queue?staet=held", 400, "unknown parameter")]
    [InlineData("/api/queue?state=lost", 400, "is no state: ready, delivering")]
    [InlineData("/api/queue?limit=0", 400, "limit must be 1 to 10000")]
    [InlineData("/api/queue?from=-1", 400, "from must be 0 to")]
    [InlineData("/api/queue/0000000000009", 404, "no message 0000000000009 in the queue")]
    [InlineData("/api/queue/xyz", 400, "is no id")]
    [InlineData("/api/queue/retry", 405, "by POST")]
    [InlineData("/api/trace?domain=a%20b", 400, "is no domain: write it as DNS has it")]
    [InlineData("/api/trace?domain=", 400, "is no domain")]
    [InlineData("/nothing", 404, "there is /healthz")]
    public async Task A_wrong_question_is_told_what_would_be_right(string path, int expected, string message)
    {
        (int status, string body) = await GetAsync(path);
        Assert.Equal(expected, status);
        Assert.Contains("\"error\":", body);
        Assert.Contains(message, body);
    }

    [Fact]
    public async Task A_part_of_the_index_can_be_looked_at()
    {
        Assert.Equal(200, (await GetAsync("/api/queue?limit=20&from=1&slots=65536&site=mx.one.test")).Status);
        Assert.EndsWith(" 20 1 65536", _admin.Desk.Asked[^1], StringComparison.Ordinal);
        (int status, string body) = await GetAsync("/api/queue?slots=0");
        Assert.Equal(400, status);
        Assert.Contains("slots must be 1 to", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tenants_and_sources_are_told()
    {
        Assert.Equal("{\"tenants\":[{\"name\":\"acme\",\"queued\":12,\"inFlight\":2,\"weight\":3,\"sessions\":40,\"suspended\":false},{\"name\":\"\",\"queued\":4,\"inFlight\":0,\"weight\":1,\"suspended\":false}]}",
            (await GetAsync("/api/tenants")).Body);
        Assert.Equal("{\"sources\":[{\"name\":\"out1\",\"delivered\":5,\"deferred\":2,\"failed\":1,\"addresses\":[\"192.0.2.7\"],\"sessions\":3,\"queued\":9,\"suspended\":true}]}",
            (await GetAsync("/api/sources")).Body);
    }

    [Fact]
    public async Task One_message_is_shown()
    {
        (int status, string body) = await GetAsync("/api/queue/0000000000001");
        Assert.Equal(200, status);
        Assert.Contains("\"sender\":\"a@sender.test\"", body);
    }

    [Theory]
    [InlineData("retry", "{\"ids\":[\"0000000000001\",\"0000000000009\"]}", "Retry ids=0000000000001+0000000000009 domain= all=False")]
    [InlineData("remove", "{\"filter\":{\"domain\":\"two.test\"}}", "Remove ids= domain=two.test all=False")]
    [InlineData("hold", "{\"all\":true}", "Hold ids= domain= all=True")]
    [InlineData("release", "{\"all\":true}", "Release ids= domain= all=True")]
    public async Task A_change_reaches_the_desk(string name, string json, string asked)
    {
        (int status, string body) = await PostAsync($"/api/queue/{name}", json);
        Assert.Equal(200, status);
        Assert.StartsWith("{\"count\":", body);
        Assert.Equal([asked], _admin.Desk.Asked);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("{\"filter\":{}}")]
    [InlineData("{\"all\":true,\"ids\":[\"0000000000001\"]}")]
    [InlineData("{\"all\":true,\"filter\":{\"domain\":\"a\"}}")]
    [InlineData("{\"filter\":{\"id\":\"0000000000001\"}}")]
    [InlineData("{\"filter\":{\"state\":\"lost\"}}")]
    [InlineData("{\"al\":true}")]
    [InlineData("{\"ids\":7}")]
    public async Task A_change_without_one_clear_selection_changes_nothing(string json)
    {
        (int status, string body) = await PostAsync("/api/queue/remove", json);
        Assert.Equal(400, status);
        Assert.Contains("\"error\":", body);
        Assert.DoesNotContain("FastRelay", body);
        Assert.DoesNotContain(".NET", body);
        Assert.Empty(_admin.Desk.Asked);
    }

    [Fact]
    public async Task A_key_that_nobody_knows_is_named()
    {
        (_, string body) = await PostAsync("/api/queue/remove", "{\"al\":true}");
        Assert.Contains("as /openapi.json describes it: \"$.al\" is no key of it", System.Text.RegularExpressions.Regex.Unescape(body));
        (_, body) = await PostAsync("/api/queue/remove", "{\"ids\":7}");
        Assert.Contains("\"$.ids\" is no key of it, or has a wrong value", System.Text.RegularExpressions.Regex.Unescape(body));
    }

    [Theory]
    [InlineData("localhost", 200)]
    [InlineData("LOCALHOST:2580", 200)]
    [InlineData("127.0.0.1:2580", 200)]
    [InlineData("127.9.9.9", 200)]
    [InlineData("[::1]:2580", 200)]
    [InlineData("relay.test", 200)]
    [InlineData("evil.example", 403)]
    [InlineData("localhost.evil.example", 403)]
    [InlineData("192.0.2.1", 403)]
    public async Task Only_names_of_this_admin_are_answered_so_that_a_rebound_name_is_not(string host, int expected) =>
        Assert.Equal(expected, (await GetAsync("/api/queue", host)).Status);

    [Theory]
    [InlineData("Content-Type: application/json; charset=utf-8\n", 200)]
    [InlineData("Content-Type: application/json\nOrigin: http://localhost\n", 200)]
    [InlineData("Content-Type: application/json\nOrigin: http://evil.example\n", 403)]
    [InlineData("Content-Type: application/json\nOrigin: null\n", 403)]
    [InlineData("Content-Type: application/json\nOrigin: https://localhost\n", 403)]
    [InlineData("Content-Type: text/plain\n", 415)]
    [InlineData("Content-Type: application/x-www-form-urlencoded\n", 415)]
    [InlineData("", 415)]
    public async Task A_page_of_another_site_can_change_nothing(string headers, int expected)
    {
        (int status, _) = await PostAsync("/api/queue/retry", "{\"all\":true}", headers);
        Assert.Equal(expected, status);
        Assert.Equal(expected == 200 ? 1 : 0, _admin.Desk.Asked.Count);
    }

    [Theory]
    [InlineData("DELETE")]
    [InlineData("PUT")]
    [InlineData("OPTIONS")]
    public async Task Other_methods_are_refused(string method) =>
        Assert.Equal(405, (await SendAsync($"{method} /api/queue HTTP/1.0\nHost: localhost\nContent-Length: 0\nConnection: close\n\n")).Status);
}
