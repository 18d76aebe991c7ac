using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace FastRelay.Host.Admin;

/// <summary>
/// The admin's resources: <c>/</c> (the page), <c>/healthz</c>, <c>/readyz</c>, <c>/metrics</c>, <c>/openapi.json</c>, <c>/api/status</c>, <c>/api/sites</c>, <c>/api/tenants</c>, <c>/api/sources</c>, <c>/api/queue</c>, <c>/api/queue/ID</c>,
/// <c>/api/explain?target=</c>, <c>/api/config</c>, <c>/api/trace</c>, <c>/api/sites/suspended</c> and, by POST, <c>/api/queue/retry</c>, <c>remove</c>, <c>hold</c>,
/// <c>release</c>, <c>bounce</c> and <c>move</c>, <c>/api/sites/suspend</c> and <c>resume</c>, and <c>/api/reload</c>.
/// </summary>
/// <param name="desk">Answers.</param>
/// <param name="guard">Says who may ask.</param>
/// <param name="ends">Ends the answers that have no end of their own.</param>
public sealed class AdminHttp(AdminDesk desk, RequestGuard guard, CancellationToken ends = default)
{
    private const string QueuePath = "/api/queue";
    private const int SitesShown = 50;
    private const int TenantsShown = 50;
    private static readonly byte[] s_ok = [.. "ok\n"u8];
    private static readonly byte[] s_notReady = [.. "no new mail is taken: the relay stops, or its spool is full or fails\n"u8];
    private RelayMetrics? _metrics;

    /// <summary>Answers one request; no exception leaves it but that of a broken invariant.</summary>
    public async Task AnswerAsync(HttpContext context)
    {
        // Answers are of this moment and for this asker.
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        AdminPlaces.Place? place = context.Features.Get<AdminPlaces.Place>();
        place?.Works(true);
        try
        {
            bool local = context.Features.Get<IConnectionSocketFeature>()?.Socket.AddressFamily == AddressFamily.Unix;
            if ((local ? RequestGuard.RefuseLocal(context.Request) : guard.Refuse(context.Request)) is { } refusal)
            {
                if (refusal.Status == StatusCodes.Status401Unauthorized)
                {
                    context.Response.Headers.WWWAuthenticate = "Bearer";
                    if (context.Request.Headers.Authorization.Count > 0)
                    {
                        desk.WrongToken(OperatorAct.PeerOf(context), context.Request.Path.Value ?? "/");
                    }
                }
                await ErrorAsync(context, refusal.Status, refusal.Reason);
                return;
            }
            await RouteAsync(context);
        }
        catch (AdminException e)
        {
            await ErrorAsync(context, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (JsonException e)
        {
            await ErrorAsync(context, StatusCodes.Status400BadRequest, $"the body is not the JSON that is wanted, as /openapi.json describes it{(e.Path is { Length: > 1 } at ? $": \"{at}\" is no key of it, or has a wrong value" : "")}");
        }
        catch (TimeoutException)
        {
            await ErrorAsync(context, StatusCodes.Status503ServiceUnavailable, "the relay does not answer: it stops, or is very busy");
        }
        catch (BadHttpRequestException e)
        {
            await ErrorAsync(context, e.StatusCode, e.Message);
        }
        catch (Exception e) when (context.RequestAborted.IsCancellationRequested || e is OperationCanceledException or ConnectionResetException)
        {
            // The asker has gone, or we are going, which a body that is being read may know before its request: nobody is there to be told.
        }
        catch (Exception e) when (e is not CheckFailedException)
        {
            await FailedAsync(context, e);
        }
        finally
        {
            place?.Works(false);
        }
    }

    /// <summary>A defect of ours: the asker learns that it is none of his, and the log what it is.</summary>
    private async Task FailedAsync(HttpContext context, Exception e)
    {
        desk.Failed(context.Request.Path.Value ?? "/", RequestGuard.WithoutToken(context.Request, e.ToString()));
        if (context.Response.HasStarted)
        {
            // Half an answer must not be taken for a whole one.
            context.Abort();
            return;
        }
        await ErrorAsync(context, StatusCodes.Status500InternalServerError, "a defect of the relay: event=admin_error in its log says more");
    }

    private async Task RouteAsync(HttpContext context)
    {
        string path = context.Request.Path.Value ?? "/";
        bool post = HttpMethods.IsPost(context.Request.Method);
        switch (path)
        {
            case "/healthz" or "/readyz" when !post:
                await HealthAsync(context.Response, path == "/healthz");
                break;
            case "/metrics" when !post:
                await MetricsAsync(context);
                break;
            case "/" when !post:
                context.Response.ContentType = "text/html; charset=utf-8";
                context.Response.Headers.ContentSecurityPolicy = StatusPage.Policy;
                await context.Response.BodyWriter.WriteAsync(StatusPage.Page);
                break;
            case "/openapi.json" when !post:
                context.Response.ContentType = "application/json; charset=utf-8";
                await context.Response.BodyWriter.WriteAsync(OpenApi.Document);
                break;
            case "/api/sites" when !post:
                await JsonAsync(context, new SiteList(await desk.SitesAsync(SitesShown)), AdminJson.Default.SiteList);
                break;
            case "/api/status" when !post:
                await JsonAsync(context, await StatusAsync(), AdminJson.Default.StatusView);
                break;
            case "/api/trace" when HttpMethods.IsGet(context.Request.Method):
                await TraceAsync(context);
                break;
            case "/api/explain" when !post:
                await ExplainAsync(context);
                break;
            case "/api/sites/suspended" when !post:
                await JsonAsync(context, await desk.SuspensionsAsync(), AdminJson.Default.SiteSuspensions);
                break;
            case "/api/sites/suspend" or "/api/sites/resume" when post:
                await SuspendAsync(context, path.EndsWith("suspend", StringComparison.Ordinal));
                break;
            case "/api/tenants" when !post:
                await JsonAsync(context, new TenantList(await desk.TenantsAsync(TenantsShown)), AdminJson.Default.TenantList);
                break;
            case "/api/sources" when !post:
                await JsonAsync(context, new SourceList(await desk.SourcesAsync()), AdminJson.Default.SourceList);
                break;
            case "/api/config" when !post:
                await JsonAsync(context, new ConfigView(desk.Config()), AdminJson.Default.ConfigView);
                break;
            case "/api/reload" when post:
                await JsonAsync(context, await ActAsync(context, "reload", "", desk.ReloadAsync), AdminJson.Default.ReloadView);
                break;
            case QueuePath when !post:
                await ListAsync(context);
                break;
            default:
                await OneAsync(context, path, post);
                break;
        }
    }

    /// <summary>Has an act done, and tells the desk who wanted it and what it came to.</summary>
    private async Task<T> ActAsync<T>(HttpContext context, string act, string target, Func<Task<T>> does, Func<T, long?>? count = null, Func<T, bool>? isTold = null)
    {
        try
        {
            T done = await does();
            if (isTold?.Invoke(done) != false)
            {
                desk.Acted(OperatorAct.Of(context, act, target, count?.Invoke(done)));
            }
            return done;
        }
        catch (TimeoutException)
        {
            // It may be done all the same.
            desk.Acted(OperatorAct.Of(context, act, target, null) with { Error = "no answer in time" });
            throw;
        }
    }

    private async Task HealthAsync(HttpResponse response, bool live)
    {
        bool ok = await desk.ReadyAsync() || live;
        response.StatusCode = ok ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        response.ContentType = "text/plain; charset=utf-8";
        await response.BodyWriter.WriteAsync(ok ? s_ok : s_notReady);
    }

    private async Task MetricsAsync(HttpContext context)
    {
        RelayReading reading = await desk.FiguresAsync();
        var scrape = new RelayScrape(reading, await desk.SourcesAsync(), desk.Certificates(), await desk.SitesAsync(RelayScrape.SitesMax));
        StatusView fixedPart = desk.Status();
        _metrics ??= new RelayMetrics(fixedPart.Version, fixedPart.Sync);
        context.Response.ContentType = RelayMetrics.ContentType;
        await _metrics.WriteAsync(scrape, context.Response.Body, context.RequestAborted);
    }

    private async Task<StatusView> StatusAsync()
    {
        RelayReading reading = await desk.FiguresAsync();
        return desk.Status() with { Figures = reading.ByName(), Oldest = reading.Oldest, Delays = DelayView.Of(reading.Delays) };
    }

    private async Task SuspendAsync(HttpContext context, bool suspend)
    {
        SiteSuspension wanted = await JsonSerializer.DeserializeAsync(context.Request.Body, AdminJson.Default.SiteSuspension, context.RequestAborted)
            ?? throw new AdminException("null names no site");
        // JSON without the key leaves it null.
        if (string.IsNullOrEmpty(wanted.Site))
        {
            throw new AdminException("\"site\" is missing: a site, a domain or a provider");
        }
        string target = wanted.Site + (wanted.ForSeconds is { } seconds ? string.Create(CultureInfo.InvariantCulture, $" for={seconds}") : "");
        await JsonAsync(context, await ActAsync(context, suspend ? "suspend" : "resume", target, () => desk.SuspendAsync(wanted, suspend)), AdminJson.Default.SiteSuspensions);
    }

    private async Task TraceAsync(HttpContext context)
    {
        foreach (string key in context.Request.Query.Keys)
        {
            if (key is not ("peer" or "domain" or "id"))
            {
                throw new AdminException($"unknown parameter \"{key}\": there is peer, domain and id");
            }
        }
        string? Of(string key) => context.Request.Query.TryGetValue(key, out StringValues value) ? value.ToString() : null;
        using var until = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, ends);
        try
        {
            await foreach (ReadOnlyMemory<byte> lines in desk.TraceAsync(new TraceQuery(Of("peer"), Of("domain"), Of("id")), until.Token))
            {
                // Not before the first piece: until then it can still be refused.
                context.Response.ContentType ??= "application/x-ndjson";
                await context.Response.BodyWriter.WriteAsync(lines, until.Token);
                await context.Response.BodyWriter.FlushAsync(until.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The asker has gone, or the relay goes.
        }
    }

    private async Task ExplainAsync(HttpContext context)
    {
        string target = context.Request.Query["target"].ToString();
        if (target.Length is 0 or > 1_000)
        {
            throw new AdminException("target must be an id, an address, a domain or a site");
        }
        if (await desk.ExplainAsync(target) is { } explained)
        {
            await JsonAsync(context, explained, AdminJson.Default.ExplainView);
            return;
        }
        await ErrorAsync(context, StatusCodes.Status404NotFound, $"\"{target}\" is no message in the queue, no site, and no name of a domain");
    }

    private async Task ListAsync(HttpContext context)
    {
        var query = new QueueQuery();
        int max = 1000;
        int from = 0;
        int slots = int.MaxValue;
        bool count = false;
        foreach ((string key, StringValues values) in context.Request.Query)
        {
            string value = values.ToString();
            switch (key)
            {
                case "sender":
                    query = query with { Sender = value };
                    break;
                case "domain":
                    query = query with { Domain = value };
                    break;
                case "site":
                    query = query with { Site = value };
                    break;
                case "tenant":
                    query = query with { Tenant = value };
                    break;
                case "id":
                    query = query with { Id = value };
                    break;
                case "state":
                    query = query with { State = QueueStates.Checked(value) };
                    break;
                case "older":
                    query = query with { OlderSeconds = Number(key, value, 0, int.MaxValue) };
                    break;
                case "limit":
                    max = Number(key, value, 1, 10_000);
                    break;
                case "from":
                    from = Number(key, value, 0, int.MaxValue);
                    break;
                case "slots":
                    slots = Number(key, value, 1, int.MaxValue);
                    break;
                case "count" when value == "only":
                    count = true;
                    break;
                default:
                    throw new AdminException($"unknown parameter \"{key}\": there is sender, domain, site, tenant, id, state, older, limit, from, slots and count=only");
            }
        }
        query.Checked();
        if (count)
        {
            await JsonAsync(context, new QueueCount(await desk.CountAsync(query)), AdminJson.Default.QueueCount);
            return;
        }
        await JsonAsync(context, await desk.ListAsync(query, max, from, slots), AdminJson.Default.QueuePage);
    }

    private async Task OneAsync(HttpContext context, string path, bool post)
    {
        string name = path.StartsWith(QueuePath + "/", StringComparison.Ordinal) ? path[(QueuePath.Length + 1)..] : "";
        QueueAction? action = name switch
        {
            "retry" => QueueAction.Retry,
            "remove" => QueueAction.Remove,
            "hold" => QueueAction.Hold,
            "release" => QueueAction.Release,
            "bounce" => QueueAction.Bounce,
            "move" => QueueAction.Move,
            _ => null,
        };
        if (action is { } change)
        {
            if (!post)
            {
                await ErrorAsync(context, StatusCodes.Status405MethodNotAllowed, "a change is asked for by POST");
                return;
            }
            QueueSelection selection = await SelectionReader.ReadAsync(context);
            // A change of a long queue comes in parts: the first is told, and then each that reaches something.
            QueueChange done = await ActAsync(
                context, name, OperatorAct.Words(selection), () => desk.ChangeAsync(change, selection), done => done.Count, done => selection.From == 0 || done.Count > 0);
            await JsonAsync(context, done, AdminJson.Default.QueueChange);
            return;
        }
        if (post || name.Length == 0)
        {
            await ErrorAsync(context, StatusCodes.Status404NotFound, "there is /healthz, /readyz, /metrics, /openapi.json, /api/status, /api/sites, /api/tenants, /api/sources, /api/queue, /api/queue/ID, /api/explain?target=, /api/config, /api/trace and /api/sites/suspended; by POST /api/reload, /api/queue/retry, remove, hold, release, bounce and move, /api/sites/suspend and resume; and / for people");
            return;
        }
        if (await desk.ShowAsync(name) is not { } item)
        {
            await ErrorAsync(context, StatusCodes.Status404NotFound, $"no message {name} in the queue");
            return;
        }
        await JsonAsync(context, item, AdminJson.Default.QueueItem);
    }

    private static int Number(string key, string value, int min, int max) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= min && number <= max
            ? number
            : throw new AdminException($"{key} must be {min} to {max}");

    private static async Task JsonAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type)
    {
        context.Response.ContentType = "application/json; charset=utf-8";
        await JsonSerializer.SerializeAsync(context.Response.Body, value, type, context.RequestAborted);
    }

    private static Task ErrorAsync(HttpContext context, int status, string reason)
    {
        if (context.Response.HasStarted)
        {
            return Task.CompletedTask;
        }
        context.Response.StatusCode = status;
        return JsonAsync(context, new ErrorView(reason), AdminJson.Default.ErrorView);
    }
}
