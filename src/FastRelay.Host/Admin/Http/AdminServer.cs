using System.Net;
using System.Net.Sockets;
using FastRelay.Config;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace FastRelay.Host.Admin;

/// <summary>
/// The admin's HTTP, on an address, a unix socket, or both: Kestrel by itself, without a host, container or routing. A host
/// would take the signals that are the relay's, and start-up is counted in milliseconds.
/// </summary>
public sealed class AdminServer : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().BuildServiceProvider();
    private readonly IPEndPoint? _address;
    private readonly string? _socket;
    private readonly AdminHttp _http;
    private readonly RequestGuard _guard;
    private readonly Dictionary<EndPoint, Socket> _bound = [];
    private readonly CancellationTokenSource _ends = new();
    private KestrelServer? _server;
    private readonly AdminDesk _desk;
    private volatile bool _stops;
    private volatile bool _stopped;

    /// <summary>How long a connection may be silent, before its first request or between two: many silent ones would shut everybody else out.</summary>
    public const int SilenceSeconds = 10;

    /// <summary>Octets of a request's body.</summary>
    public const int BodyBytesMax = 64 << 10;

    /// <summary>How long a request under way may go on when the server stops, ms; a trace ends at once. Mail may be waiting for the next process.</summary>
    public const int StopMs = 100;

    /// <summary>Prepares a server; it does not listen yet.</summary>
    /// <param name="address">Port 0 lets the system choose; null for the socket alone.</param>
    /// <param name="socket">Path of the unix socket; null for none.</param>
    /// <param name="hostName">The relay's own name, which a browser may use too.</param>
    /// <param name="desk">Answers.</param>
    /// <param name="token">Asked of everybody who comes by the address; null when there is none.</param>
    public AdminServer(IPEndPoint? address, string? socket, string hostName, AdminDesk desk, string? token = null)
    {
        _address = address;
        _socket = socket;
        _guard = new RequestGuard(address ?? new IPEndPoint(IPAddress.Loopback, 0), hostName, token);
        _desk = desk;
        _http = new AdminHttp(desk, _guard, _ends.Token);
    }

    /// <summary>Another token is asked for from now on; any thread.</summary>
    /// <param name="token">16 to 256 characters.</param>
    public void Renew(string token) => _guard.Renew(token);

    /// <summary>The bound address; null when there is none. After <see cref="StartAsync"/>.</summary>
    public IPEndPoint? EndPoint { get; private set; }

    /// <summary>The bound socket's path; null when there is none. After <see cref="StartAsync"/>.</summary>
    public string? SocketPath { get; private set; }

    /// <summary>Listens. A door that cannot be opened does not keep the other one shut.</summary>
    /// <returns>What cannot be listened on and why; empty when all is well. The relay runs without it then.</returns>
    public async Task<IReadOnlyList<string>> StartAsync()
    {
        var problems = new List<string>();
        if (_address is not null && Bind(problems, "http", _address.ToString(), () => SocketTransportOptions.CreateDefaultBoundListenSocket(_address)) is { } tcp)
        {
            EndPoint = (IPEndPoint)tcp.LocalEndPoint!;
            _bound.Add(EndPoint, tcp);
        }
        if (_socket is not null && Bind(problems, "socket", _socket, () => AdminSocket.Bind(_socket)) is { } unix)
        {
            SocketPath = _socket;
            _bound.Add(new UnixDomainSocketEndPoint(_socket), unix);
        }
        if (_bound.Count == 0)
        {
            return problems;
        }
        var options = new KestrelServerOptions { ApplicationServices = _services, AddServerHeader = false };
        options.Limits.MaxConcurrentConnections = RelayConfig.AdminConnectionsMax;
        options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(SilenceSeconds);
        options.Limits.MaxRequestBodySize = BodyBytesMax;
        options.Limits.MaxRequestHeadersTotalSize = 16 << 10;
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(SilenceSeconds);
        foreach (EndPoint door in _bound.Keys)
        {
            var places = new AdminPlaces(_desk.Crowded);
            options.Listen(door, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(places.ServeAsync);
            });
        }
        var transport = new SocketTransportFactory(
            Options.Create(new SocketTransportOptions { IOQueueCount = 1, Backlog = 64, CreateBoundListenSocket = door => _bound[door] }), NullLoggerFactory.Instance);
        _server = new KestrelServer(Options.Create(options), transport, NullLoggerFactory.Instance);
        try
        {
            await _server.StartAsync(new Application(_http), CancellationToken.None);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            problems.Add($"admin: {e.Message}");
        }
        return problems;
    }

    /// <summary>Stops listening, ends traces, and cuts what is not answered within <see cref="StopMs"/>. Once.</summary>
    public async Task StopAsync()
    {
        if (_server is null)
        {
            return;
        }
        _stops = true;
        await _ends.CancelAsync();
        using var limit = new CancellationTokenSource(StopMs);
        await _server.StopAsync(limit.Token);
        _stopped = true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_stops && !_stopped)
        {
            // It would be waited for, and an answer may wait for a loop that turns no more. The process ends, and the system closes what is left.
            return;
        }
        _server?.Dispose();
        _ends.Dispose();
        foreach (Socket socket in _bound.Values)
        {
            socket.Dispose();
        }
        _services.Dispose();
    }

    private static Socket? Bind(List<string> problems, string key, string where, Func<Socket> bind)
    {
        try
        {
            return bind();
        }
        catch (Exception e) when (e is IOException or SocketException or UnauthorizedAccessException or ArgumentException)
        {
            problems.Add($"admin.{key} {where}: {e.Message}");
            return null;
        }
    }

    private sealed class Application(AdminHttp http) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => http.AnswerAsync(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }
}
