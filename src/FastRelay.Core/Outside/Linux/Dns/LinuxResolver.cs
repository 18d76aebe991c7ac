using System.Net;
using System.Text;
using System.Threading.Tasks.Sources;
using DnsClient;

namespace FastRelay.Outside.Linux;

/// <summary>
/// DNS by DnsClient without its cache. Queries run on the runtime's pool and come back through the loop. Names go to
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
    private Client _client;

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
        _client = new Client(Servers, timeoutMs);
    }

    /// <summary>The servers of /etc/resolv.conf, now.</summary>
    public static IReadOnlyList<IPEndPoint> SystemServers => new WatchedFile<IReadOnlyList<IPEndPoint>>("/etc/resolv.conf", ResolvConf.Parse).Value;

    /// <summary>The servers in use.</summary>
    public IReadOnlyList<IPEndPoint> Servers => _fixed.Count > 0 ? _fixed : _resolvConf.Value;

    /// <inheritdoc/>
    public override ValueTask<DnsAnswer> QueryAsync(string name, DnsType type)
    {
        _loop.CheckThread();
        // Something that is no name must not go out, nor throw.
        if (name.Length is 0 or > 253 || !Ascii.IsValid(name))
        {
            return new ValueTask<DnsAnswer>(DnsAnswer.Empty(DnsStatus.Bad, 0));
        }
        var query = new Query(this, name, type);
        ThreadPool.UnsafeQueueUserWorkItem(query, preferLocal: false);
        return query.Task;
    }

    /// <summary>A client of the servers that are in use now. Pool threads; of two that meet a change both make one, and the last stays.</summary>
    private LookupClient Current()
    {
        IReadOnlyList<IPEndPoint> servers = Servers;
        Client client = Volatile.Read(ref _client);
        if (!ReferenceEquals(client.Servers, servers))
        {
            Volatile.Write(ref _client, client = new Client(servers, _timeoutMs));
        }
        return client.Lookup;
    }

    private sealed class Client(IReadOnlyList<IPEndPoint> servers, int timeoutMs)
    {
        public IReadOnlyList<IPEndPoint> Servers => servers;

        public LookupClient Lookup { get; } = new(new LookupClientOptions([.. servers])
        {
            AutoResolveNameServers = false,
            UseCache = false,
            UseRandomNameServer = false,
            Retries = 1,
            Timeout = TimeSpan.FromMilliseconds(timeoutMs),
            UseTcpFallback = true,
            ThrowDnsErrors = false,
            ContinueOnDnsError = true,
            ContinueOnEmptyResponse = false,
            EnableAuditTrail = false,
            Recursion = true,
        });
    }

    private sealed class Query(LinuxResolver resolver, string name, DnsType type) : LoopItem, IThreadPoolWorkItem, IValueTaskSource<DnsAnswer>
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
                if (hosts.Find(name, type) is { } known)
                {
                    _answer = known;
                    resolver._loop.Post(this);
                    return;
                }
                QueryType wanted = type switch { DnsType.Mx => QueryType.MX, DnsType.A => QueryType.A, _ => QueryType.AAAA };
                IDnsQueryResponse response = await resolver.Current().QueryAsync(new DnsQuestion(name, wanted)).ConfigureAwait(false);
                _answer = DnsAnswers.Read(response, name, type);
                if (_answer.Status == DnsStatus.NxDomain && hosts.Has(name))
                {
                    // It exists here, without such a record: a host of its own mail (RFC 5321 5.1).
                    _answer = DnsAnswer.Empty(DnsStatus.NoData, _answer.TtlSeconds);
                }
            }
            catch (DnsResponseException e)
            {
                _answer = DnsAnswer.Empty(e.Code == DnsResponseCode.ConnectionTimeout ? DnsStatus.Timeout : DnsStatus.ServFail, 0);
            }
            catch (Exception e) when (e is OperationCanceledException or System.Net.Sockets.SocketException or IOException)
            {
                // No server can be reached: for the caller the same as none that answers.
                _answer = DnsAnswer.Empty(DnsStatus.Timeout, 0);
            }
            catch (Exception)
            {
                // DnsClient's parser throws many kinds for messages that make no sense.
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
