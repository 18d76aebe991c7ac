using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace FastRelay.Host.Admin;

/// <summary>Why a command got no answer.</summary>
/// <param name="message">For people.</param>
/// <param name="unreachable">True when nobody answers; false when the relay refused.</param>
public sealed class AdminClientException(string message, bool unreachable) : Exception(message)
{
    /// <summary>Trying later may help.</summary>
    public bool Unreachable => unreachable;
}

/// <summary>
/// Asks a running relay by its admin, at an address or a unix socket. It connects by address: no name is ever resolved. Where both
/// are there the socket is asked when nobody answers at the address, or it does not know the token or wants one for a change.
/// </summary>
public sealed class AdminClient : IDisposable
{
    private readonly string? _other;
    private HttpClient _http;
    private string _address;
    private bool _switched;

    /// <summary>A client of the admin at an address.</summary>
    /// <param name="address">As configured; all addresses means this host's loopback.</param>
    /// <param name="token">Shown with each question; null when none is asked for.</param>
    /// <param name="socket">Path of its unix socket, for when the address does not answer; null for none.</param>
    public AdminClient(IPEndPoint address, string? token = null, string? socket = null)
        : this(Reached(address).ToString(), Reached(address))
    {
        _other = socket;
        if (token is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    /// <summary>A client of the admin at a unix socket.</summary>
    /// <param name="socket">Its path.</param>
    public AdminClient(string socket)
        : this("localhost", new UnixDomainSocketEndPoint(socket))
    {
        _address = socket;
    }

    private AdminClient(string host, EndPoint door)
    {
        _address = host;
        _http = Http(host, door);
    }

    private static HttpClient Http(string host, EndPoint door)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectCallback = async (_, cancel) =>
            {
                bool unix = door is UnixDomainSocketEndPoint;
                var socket = new Socket(door.AddressFamily, SocketType.Stream, unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
                try
                {
                    if (!unix)
                    {
                        socket.NoDelay = true;
                    }
                    await socket.ConnectAsync(door, cancel);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
        return new HttpClient(handler) { BaseAddress = new Uri($"http://{host}/"), Timeout = TimeSpan.FromMinutes(10) };
    }

    /// <summary>GET; null for 404.</summary>
    /// <exception cref="AdminClientException">Nobody answers, or the relay refuses.</exception>
    public async Task<T?> GetAsync<T>(string path, JsonTypeInfo<T> type)
        where T : class =>
        await SendAsync(() => new HttpRequestMessage(HttpMethod.Get, path), type);

    /// <summary>POST of JSON.</summary>
    /// <exception cref="AdminClientException">Nobody answers, or the relay refuses.</exception>
    public async Task<T> PostAsync<TBody, T>(string path, TBody body, JsonTypeInfo<TBody> bodyType, JsonTypeInfo<T> type)
        where T : class
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(body, bodyType);
        HttpRequestMessage Request()
        {
            var content = new ByteArrayContent(json);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            return new HttpRequestMessage(HttpMethod.Post, path) { Content = content };
        }
        return await SendAsync(Request, type) ?? throw new AdminClientException($"the relay on {_address} does not know {path}: is it of another release?", unreachable: false);
    }

    /// <summary>GET of lines that come as they happen; it returns when the relay ends them.</summary>
    /// <param name="path">With its query.</param>
    /// <param name="begun">The relay has agreed.</param>
    /// <param name="each">Takes a line; false when no more are wanted.</param>
    /// <exception cref="AdminClientException">Nobody answers, or the relay refuses.</exception>
    public async Task LinesAsync(string path, Action begun, Func<string, Task<bool>> each)
    {
        try
        {
            using HttpResponseMessage response = await AskAsync(() => new HttpRequestMessage(HttpMethod.Get, path));
            await using Stream body = await response.Content.ReadAsStreamAsync();
            if (!response.IsSuccessStatusCode)
            {
                ErrorView? error = await JsonSerializer.DeserializeAsync(body, AdminJson.Default.ErrorView);
                throw new AdminClientException(error?.Error ?? $"status {(int)response.StatusCode}", response.StatusCode == HttpStatusCode.ServiceUnavailable);
            }
            begun();
            using var reader = new StreamReader(body);
            while (await reader.ReadLineAsync() is { } line)
            {
                if (line.Length > 0 && !await each(line))
                {
                    return;
                }
            }
        }
        catch (HttpRequestException e)
        {
            throw new AdminClientException($"no relay answers on {_address} ({e.GetBaseException().Message}): does `fastrelay serve` run with this configuration?", unreachable: true);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            throw new AdminClientException($"the relay on {_address} has ended it", unreachable: true);
        }
        catch (JsonException)
        {
            throw new AdminClientException($"what answers on {_address} is no fastrelay of this release", unreachable: false);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static IPEndPoint Reached(IPEndPoint address) =>
        address.Address.Equals(IPAddress.Any) ? new IPEndPoint(IPAddress.Loopback, address.Port)
        : address.Address.Equals(IPAddress.IPv6Any) ? new IPEndPoint(IPAddress.IPv6Loopback, address.Port)
        : address;

    /// <summary>Sends a request, and once more by the other door when it was not heard at this one.</summary>
    private async Task<HttpResponseMessage> AskAsync(Func<HttpRequestMessage> request)
    {
        using HttpRequestMessage first = request();
        HttpResponseMessage? refused = null;
        HttpRequestException? unheard = null;
        try
        {
            refused = await _http.SendAsync(first, HttpCompletionOption.ResponseHeadersRead);
            // A token that is not its own, or none where a change needs one.
            if (refused.StatusCode is not (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden) || !HasOther)
            {
                return refused;
            }
        }
        catch (HttpRequestException e) when (HasOther && (e.HttpRequestError == HttpRequestError.ConnectionError || first.Method == HttpMethod.Get))
        {
            // Nobody listens there, or has a place for one more. A change whose answer was lost may have been made: it is not asked for twice.
            unheard = e;
        }
        HttpClient other = Http("localhost", new UnixDomainSocketEndPoint(_other!));
        try
        {
            using HttpRequestMessage second = request();
            HttpResponseMessage answer = await other.SendAsync(second, HttpCompletionOption.ResponseHeadersRead);
            refused?.Dispose();
            _http.Dispose();
            (_http, _address, _switched) = (other, _other!, true);
            return answer;
        }
        catch (HttpRequestException)
        {
            // What the first door said tells more than that the second is shut.
            other.Dispose();
            return refused ?? throw unheard!;
        }
    }

    private bool HasOther => !_switched && _other is not null && File.Exists(_other);

    private async Task<T?> SendAsync<T>(Func<HttpRequestMessage> request, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            using HttpResponseMessage response = await AskAsync(request);
            await using Stream body = await response.Content.ReadAsStreamAsync();
            if (response.IsSuccessStatusCode)
            {
                return await JsonSerializer.DeserializeAsync(body, type);
            }
            ErrorView? error = await JsonSerializer.DeserializeAsync(body, AdminJson.Default.ErrorView);
            if (response.StatusCode == HttpStatusCode.NotFound)
            {
                return null;
            }
            throw new AdminClientException(error?.Error ?? $"status {(int)response.StatusCode}", response.StatusCode == HttpStatusCode.ServiceUnavailable);
        }
        catch (HttpRequestException e)
        {
            throw new AdminClientException($"no relay answers on {_address} ({e.GetBaseException().Message}): does `fastrelay serve` run with this configuration?", unreachable: true);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            throw new AdminClientException($"the relay on {_address} began an answer and did not end it", unreachable: true);
        }
        catch (JsonException)
        {
            throw new AdminClientException($"what answers on {_address} is no fastrelay of this release", unreachable: false);
        }
    }
}
