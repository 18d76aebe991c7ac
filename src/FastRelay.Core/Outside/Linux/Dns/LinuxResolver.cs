using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace FastRelay.Outside.Linux;

/// <summary>
/// DNS without a cache, read by DnsClient. Queries run on the runtime's pool and come back through the loop. Names go to
/// the servers as they are, no search domain; addresses of names in /etc/hosts come from there. /etc/resolv.conf and
/// /etc/hosts are read again when they change.
/// </summary>
public sealed class LinuxResolver : Resolver
{
    private readonly Loop _loop;
    private readonly IReadOnlyList<IPEndPoint> _fixed;
    private readonly int _timeoutMs;
    private readonly WatchedFile<IReadOnlyList<IPEndPoint>> _resolvConf;
    private readonly WatchedFile<HostsFile> _hosts;
    private readonly DnsTransport _transport = new();
    private DnsServers? _servers;

    /// <summary>Creates a resolver.</summary>
    /// <param name="loop">Where answers complete.</param>
    /// <param name="servers">Asked in this order; empty: those of /etc/resolv.conf.</param>
    /// <param name="timeoutMs">One query to one server.</param>
    /// <param name="folder">Where resolv.conf and hosts are.</param>
    public LinuxResolver(Loop loop, IReadOnlyList<IPEndPoint> servers, int timeoutMs, string folder = "/etc")
    {
        _loop = loop;
        _fixed = servers;
        _timeoutMs = timeoutMs;
        _resolvConf = new WatchedFile<IReadOnlyList<IPEndPoint>>(Path.Combine(folder, "resolv.conf"), ResolvConf.Parse);
        _hosts = new WatchedFile<HostsFile>(Path.Combine(folder, "hosts"), HostsFile.Parse);
    }

    /// <summary>The largest reply that is asked for over UDP, bytes (RFC 9715).</summary>
    public const int UdpBytes = DnsQuery.UdpBytes;

    /// <summary>The servers of /etc/resolv.conf, now.</summary>
    public static IReadOnlyList<IPEndPoint> SystemServers => new WatchedFile<IReadOnlyList<IPEndPoint>>("/etc/resolv.conf", ResolvConf.Parse).Value;

    /// <summary>The servers in use.</summary>
    public IReadOnlyList<IPEndPoint> Servers => _fixed.Count > 0 ? _fixed : _resolvConf.Value;

    /// <inheritdoc/>
    public override long Ignored => _transport.Ignored;

    /// <summary>How long a server that does not answer is asked last, ms.</summary>
    internal long SilentMs { get; init; } = DnsServers.SilentMs;

    /// <inheritdoc/>
    public override ValueTask<DnsAnswer> QueryAsync(string name, DnsType type)
    {
        _loop.CheckThread();
        // Something that is no name must not go out, nor throw.
        if (DnsQuery.Create(name, type) is not { } octets)
        {
            return new ValueTask<DnsAnswer>(DnsAnswer.Empty(DnsStatus.Bad, 0));
        }
        var query = new Query(this, name, type, octets);
        ThreadPool.UnsafeQueueUserWorkItem(query, preferLocal: false);
        return query.Task;
    }

    /// <summary>The servers that are in use now. Pool threads; of two that meet a change both make one, and the last stays.</summary>
    private DnsServers Current()
    {
        IReadOnlyList<IPEndPoint> now = Servers;
        DnsServers? servers = Volatile.Read(ref _servers);
        if (servers is null || !ReferenceEquals(servers.All, now))
        {
            Volatile.Write(ref _servers, servers = new DnsServers(now, _timeoutMs, SilentMs));
        }
        return servers;
    }

    /// <summary>
    /// Asks one server after another until one knows: that there is no such name is known too, and an error is not
    /// (RFC 1034 section 5.3.3). Where none does, what was said counts more than silence.
    /// </summary>
    private async Task<DnsAnswer> AskAsync(string name, DnsType type, DnsQuery octets)
    {
        DnsServers servers = Current();
        DnsAnswer? failure = null;
        foreach (int server in servers.Order(Environment.TickCount64))
        {
            DnsAnswer answer = await AskAsync(servers, server, name, type, octets).ConfigureAwait(false);
            if (answer.Status is DnsStatus.Ok or DnsStatus.NoData or DnsStatus.NxDomain)
            {
                return answer;
            }
            failure = failure is null or { Status: DnsStatus.Timeout } ? answer : failure;
            if (servers.All.Count == 1 && answer.Status != DnsStatus.Timeout)
            {
                // It would say the same again.
                break;
            }
        }
        return failure!;
    }

    private async Task<DnsAnswer> AskAsync(DnsServers servers, int server, string name, DnsType type, DnsQuery octets)
    {
        using var timeout = new CancellationTokenSource(_timeoutMs);
        try
        {
            DnsReply reply = await _transport.AskAsync(servers.All[server], octets, timeout.Token).ConfigureAwait(false);
            servers.Answered(server);
            return DnsAnswers.Read(reply, name, type);
        }
        catch (DnsTruncatedException)
        {
            // It is there, and has no more to give: no reason to ask it last.
            servers.Answered(server);
            return DnsAnswer.Empty(DnsStatus.Timeout, 0);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or IOException)
        {
            servers.Silent(server, Environment.TickCount64);
            return DnsAnswer.Empty(DnsStatus.Timeout, 0);
        }
        catch (Exception)
        {
            // DnsClient's reader throws many kinds for messages that make no sense.
            servers.Answered(server);
            return DnsAnswer.Empty(DnsStatus.Bad, 0);
        }
    }

    private sealed class Query(LinuxResolver resolver, string name, DnsType type, DnsQuery octets) : LoopItem, IThreadPoolWorkItem, IValueTaskSource<DnsAnswer>
    {
        private ManualResetValueTaskSourceCore<DnsAnswer> _core;
        private DnsAnswer? _answer;

        public ValueTask<DnsAnswer> Task => new(this, _core.Version);

        public void Execute() => _ = AskAsync();

        protected internal override void Run() => _core.SetResult(_answer!);

        private async Task AskAsync()
        {
            try
            {
                HostsFile hosts = resolver._hosts.Value;
                _answer = hosts.Find(name, type) ?? await resolver.AskAsync(name, type, octets).ConfigureAwait(false);
                if (_answer.Status == DnsStatus.NxDomain && hosts.Has(name))
                {
                    // It exists here, without such a record: a host of its own mail (RFC 5321 5.1).
                    _answer = DnsAnswer.Empty(DnsStatus.NoData, _answer.TtlSeconds);
                }
            }
            catch (Exception)
            {
                // Whatever it is, somebody waits.
                _answer = DnsAnswer.Empty(DnsStatus.Bad, 0);
            }
            resolver._loop.Post(this);
        }

        DnsAnswer IValueTaskSource<DnsAnswer>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<DnsAnswer>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<DnsAnswer>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
