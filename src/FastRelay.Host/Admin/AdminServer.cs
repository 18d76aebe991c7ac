using System.Net;
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
/// The admin's HTTP: Kestrel by itself, without a host, container or routing. A host would take the signals that are the
/// relay's, and start-up is counted in milliseconds.
/// </summary>
public sealed class AdminServer : IDisposable
{
    private readonly KestrelServer _server;
    private readonly ServiceProvider _services = new ServiceCollection().BuildServiceProvider();
    private readonly IPEndPoint _address;
    private readonly AdminHttp _http;

    /// <summary>Prepares a server; it does not listen yet.</summary>
    /// <param name="address">Port 0 lets the system choose.</param>
    /// <param name="hostName">The relay's own name, which a browser may use too.</param>
    /// <param name="desk">Answers.</param>
    /// <param name="token">Asked of everybody; null when there is none.</param>
    public AdminServer(IPEndPoint address, string hostName, AdminDesk desk, string? token = null)
    {
        _address = address;
        _http = new AdminHttp(desk, new RequestGuard(address, hostName, token));
        var options = new KestrelServerOptions { ApplicationServices = _services, AddServerHeader = false };
        options.Limits.MaxConcurrentConnections = 64;
        options.Limits.MaxRequestBodySize = 1 << 20;
        options.Limits.MaxRequestHeadersTotalSize = 16 << 10;
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        options.Listen(address, listen => listen.Protocols = HttpProtocols.Http1);
        var transport = new SocketTransportFactory(
            Options.Create(new SocketTransportOptions { IOQueueCount = 1, Backlog = 64 }), NullLoggerFactory.Instance);
        _server = new KestrelServer(Options.Create(options), transport, NullLoggerFactory.Instance);
    }

    /// <summary>Listens.</summary>
    /// <returns>Null, or why it cannot; the relay runs without it then.</returns>
    public async Task<string?> StartAsync()
    {
        try
        {
            await _server.StartAsync(new Application(_http), CancellationToken.None);
            return null;
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or UnauthorizedAccessException)
        {
            return $"admin.http {_address}: {e.Message}";
        }
    }

    /// <summary>The bound address; after <see cref="StartAsync"/>.</summary>
    public IPEndPoint EndPoint
    {
        get
        {
            string? bound = _server.Features.Get<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>()?.Addresses.FirstOrDefault();
            return bound is not null && Uri.TryCreate(bound, UriKind.Absolute, out Uri? uri) ? new IPEndPoint(_address.Address, uri.Port) : _address;
        }
    }

    /// <summary>Stops listening; requests under way get a second.</summary>
    public async Task StopAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _server.StopAsync(limit.Token);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _server.Dispose();
        _services.Dispose();
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
