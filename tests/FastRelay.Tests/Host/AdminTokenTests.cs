using System.Net;
using System.Net.Http.Headers;
using FastRelay.Host.Commands;
using FastRelay.Host.Secrets;

namespace FastRelay.Tests.Host;

[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "DisposeAsync of xunit's interface ends it.")]
public sealed class AdminTokenTests : IAsyncLifetime
{
    private const string Token = "0123456789abcdef-secret";
    private readonly HttpClient _http = new();
    private ScriptedAdmin _admin = null!;

    public async Task InitializeAsync() => _admin = await ScriptedAdmin.StartAsync(Token, socket: false);

    public async Task DisposeAsync()
    {
        _http.Dispose();
        await _admin.DisposeAsync();
    }

    private async Task<HttpStatusCode> AskAsync(string path, AuthenticationHeaderValue? shown, HttpMethod? method = null)
    {
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, new Uri($"http://127.0.0.1:{_admin.Port}{path}"));
        request.Headers.Authorization = shown;
        if (method == HttpMethod.Post)
        {
            request.Content = new StringContent("{\"all\":true}", null, "application/json");
        }
        using HttpResponseMessage answer = await _http.SendAsync(request);
        Assert.Equal(answer.StatusCode == HttpStatusCode.Unauthorized, answer.Headers.WwwAuthenticate.Any(static h => h.Scheme == "Bearer"));
        return answer.StatusCode;
    }

    [Theory]
    [InlineData("/metrics")]
    [InlineData("/api/status")]
    [InlineData("/api/queue")]
    [InlineData("/api/sites")]
    [InlineData("/api/config")]
    [InlineData("/api/explain?target=one.test")]
    [InlineData("/api/queue/remove", "POST")]
    [InlineData("/api/reload", "POST")]
    [InlineData("/nothing")]
    public async Task Nothing_that_knows_or_changes_anything_is_open(string path, string method = "GET")
    {
        HttpMethod how = new(method);
        foreach (AuthenticationHeaderValue? wrong in (AuthenticationHeaderValue?[])[null, new("Bearer", Token + "x"), new("Bearer", Token[..^1]), new("Bearer", "e"), new("Basic", Token)])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(path, wrong, how));
        }
        Assert.Empty(_admin.Desk.Asked);
        _admin.Desk.Reloaded = new([], [], []);
        HttpStatusCode answer = await AskAsync(path, new("Bearer", Token), how);
        Assert.Equal(path == "/nothing" ? HttpStatusCode.NotFound : HttpStatusCode.OK, answer);
    }

    [Fact]
    public async Task A_defect_of_ours_is_answered_and_logged_without_the_token()
    {
        _http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        using HttpResponseMessage answer = await _http.GetAsync(new Uri($"http://127.0.0.1:{_admin.Port}/api/explain?target=defect%20{Token}"));
        string body = await answer.Content.ReadAsStringAsync();
        Assert.Equal((HttpStatusCode.InternalServerError, "application/json"), (answer.StatusCode, answer.Content.Headers.ContentType!.MediaType));
        Assert.StartsWith("{\"error\":\"a defect of the relay", body, StringComparison.Ordinal);
        string logged = Assert.Single(_admin.Desk.Failures);
        Assert.StartsWith("/api/explain System.InvalidOperationException: defect ***", logged, StringComparison.Ordinal);
        Assert.DoesNotContain(Token, logged + body, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await AskAsync("/api/status", new("Bearer", Token)));
    }

    [Fact]
    public async Task A_defect_in_the_middle_of_an_answer_cuts_it_off()
    {
        _http.DefaultRequestHeaders.Authorization = new("Bearer", Token);
        await Assert.ThrowsAsync<HttpRequestException>(() => _http.GetStringAsync(new Uri($"http://127.0.0.1:{_admin.Port}/api/trace?domain=defect.test")));
        Assert.StartsWith("/api/trace System.InvalidOperationException: in the middle", Assert.Single(_admin.Desk.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_token_is_told_and_none_is_not()
    {
        await AskAsync("/api/status", null);
        await AskAsync("/api/queue/remove", new("Bearer", Token), HttpMethod.Post);
        Assert.Empty(_admin.Desk.WrongTokens);
        await AskAsync("/api/queue/remove", new("Bearer", Token + "x"), HttpMethod.Post);
        Assert.Equal(["127.0.0.1 /api/queue/remove"], _admin.Desk.WrongTokens);
        Assert.Equal(["remove token peer all 3"], _admin.Desk.Acts);
    }

    [Theory]
    [InlineData("Content-Type: application/json; charset=utf-8\n", 200)]
    [InlineData("Content-Type: text/plain\n", 415)]
    [InlineData("Content-Type: application/x-www-form-urlencoded\n", 415)]
    [InlineData("", 415)]
    public async Task A_change_is_asked_for_in_JSON(string headers, int expected) =>
        Assert.Equal(expected, await RawAsync($"POST /api/queue/retry HTTP/1.0\nHost: localhost\nAuthorization: Bearer {Token}\n{headers}Content-Length: 12\n\n{{\"all\":true}}"));

    [Fact]
    public async Task Health_and_the_empty_page_are_open()
    {
        Assert.Equal(HttpStatusCode.OK, await AskAsync("/healthz", null));
        Assert.Equal(HttpStatusCode.OK, await AskAsync("/", null));
    }

    [Theory]
    [InlineData("admin.example.net", "Origin: https://relay.example.net\n")]
    [InlineData("admin.example.net:8443", "Origin: https://admin.example.net:8443\n")]
    [InlineData("prometheus-target", "")]
    public async Task Who_shows_the_token_may_come_by_any_name(string host, string headers)
    {
        string shown = $"Authorization: Bearer {Token}\n";
        Assert.Equal(200, await RawAsync($"POST /api/queue/retry HTTP/1.0\nHost: {host}\n{headers}{shown}Content-Type: application/json\nContent-Length: 12\n\n{{\"all\":true}}"));
        Assert.Equal(200, await RawAsync($"GET /metrics HTTP/1.0\nHost: {host}\n{shown}\n"));
        Assert.Equal(401, await RawAsync($"GET /metrics HTTP/1.0\nHost: {host}\n\n"));
        Assert.Equal(401, await RawAsync($"POST /api/queue/retry HTTP/1.0\nHost: {host}\nContent-Type: application/json\nContent-Length: 12\n\n{{\"all\":true}}"));
        // A proxy shows the page by its own name, and a load balancer asks for health by any.
        Assert.Equal(200, await RawAsync($"GET / HTTP/1.0\nHost: {host}\n\n"));
        Assert.Equal(200, await RawAsync($"GET /healthz HTTP/1.0\nHost: {host}\n\n"));
    }

    [Fact]
    public async Task A_page_of_another_site_is_refused_and_a_link_to_ours_is_not()
    {
        string shown = $"Authorization: Bearer {Token}\nSec-Fetch-Site: cross-site\n";
        Assert.Equal(403, await RawAsync($"GET /api/queue HTTP/1.0\nHost: localhost\n{shown}\n"));
        Assert.Equal(403, await RawAsync($"POST /api/queue/retry HTTP/1.0\nHost: localhost\n{shown}Content-Type: application/json\nContent-Length: 12\n\n{{\"all\":true}}"));
        Assert.Equal(403, await RawAsync($"POST / HTTP/1.0\nHost: localhost\n{shown}Content-Length: 0\n\n"));
        Assert.Equal(200, await RawAsync($"GET / HTTP/1.0\nHost: localhost\n{shown}\n"));
        Assert.Equal(200, await RawAsync($"GET /api/queue HTTP/1.0\nHost: localhost\nAuthorization: Bearer {Token}\nSec-Fetch-Site: same-origin\n\n"));
        Assert.DoesNotContain(_admin.Desk.Asked, static asked => asked.StartsWith("Retry", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Another_token_holds_at_once_and_the_old_one_is_told_so()
    {
        _admin.Server.Renew("another-token-0123456789");
        Assert.Equal(HttpStatusCode.OK, await AskAsync("/metrics", new("Bearer", "another-token-0123456789")));
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://127.0.0.1:{_admin.Port}/metrics"));
        request.Headers.Authorization = new("Bearer", Token);
        using HttpResponseMessage answer = await _http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Contains("the token shown is not the admin's", System.Text.RegularExpressions.Regex.Unescape(await answer.Content.ReadAsStringAsync()));
    }

    private async Task<int> RawAsync(string request)
    {
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, _admin.Port);
        await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes(request.Replace("\n", "\r\n", StringComparison.Ordinal)));
        using var reader = new StreamReader(client.GetStream());
        return int.Parse((await reader.ReadToEndAsync()).AsSpan(9, 3), System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Commands_show_the_token_of_their_configuration()
    {
        string folder = Path.GetDirectoryName(_admin.ConfigFile)!;
        Assert.Equal((1, ""), Run("queue", "list"));
        File.AppendAllText(_admin.ConfigFile, "token_file = \"token\"\n");
        Assert.Equal((78, ""), Run("queue", "list"));
        File.WriteAllText(Path.Combine(folder, "token"), Token + "\n");
        (int code, string output) = Run("queue", "list", "--count");
        Assert.Equal((0, "3\n"), (code, output));
    }

    [Theory]
    [InlineData("0123456789abcdef\nmore", "")]
    [InlineData("0123456789abcde", "16 to 256")]
    [InlineData("0123456789abcdef ", "16 to 256")]
    [InlineData("0123456789abcdefé", "16 to 256")]
    [InlineData("", "16 to 256")]
    public void A_token_is_long_and_plain(string content, string problem)
    {
        string path = Path.Combine(Path.GetDirectoryName(_admin.ConfigFile)!, "t");
        File.WriteAllText(path, content);
        string? token = TokenFile.Load(path, out string said);
        Assert.Equal(problem.Length == 0, token is not null);
        Assert.Contains(problem, said);
        Assert.DoesNotContain("0123456789", said);
        Assert.Null(TokenFile.Load(path + "x", out said));
        Assert.Contains("cannot be read", said);
    }

    private (int Code, string Output) Run(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        return (CommandLine.Run([.. arguments, "--config", _admin.ConfigFile], output, error), output.ToString());
    }
}
