using System.Net;
using System.Text;
using System.Threading.Tasks.Sources;
using DnsClient;

namespace FastRelay.Outside.Linux;

/// <summary>
/// DNS by DnsClient without its cache. Queries run on the runtime's pool and come back through the loop. Names go to
/// the servers as they are: no search domain, no hosts file.
/// </summary>
public sealed class LinuxResolver : Resolver
{
    private readonly Loop _loop;
    private readonly LookupClient _client;

    /// <summary>Creates a resolver.</summary>
    /// <param name="loop">Where answers complete.</param>
    /// <param name="servers">Asked in this order; empty: those of /etc/resolv.conf.</param>
    /// <param name="timeoutMs">One query to one server.</param>
    public LinuxResolver(Loop loop, IReadOnlyList<IPEndPoint> servers, int timeoutMs)
    {
        _loop = loop;
        Servers = servers.Count > 0 ? servers : ResolvConf.Load();
        _client = new LookupClient(new LookupClientOptions([.. Servers])
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

    /// <summary>The servers in use.</summary>
    public IReadOnlyList<IPEndPoint> Servers { get; }

    /// <inheritdoc/>
    public override ValueTask<DnsAnswer> QueryAsync(string name, DnsType type)
    {
        _loop.CheckThread();
        // Something that is no name must not go out, nor throw.
        if (name.Length is 0 or > 253 || !Ascii.IsValid(name))
        {
            return new ValueTask<DnsAnswer>(DnsAnswer.Empty(DnsStatus.Bad, 0));
        }
        var query = new Query(_loop, _client, name, type);
        ThreadPool.UnsafeQueueUserWorkItem(query, preferLocal: false);
        return query.Task;
    }

    private sealed class Query(Loop loop, LookupClient client, string name, DnsType type) : LoopItem, IThreadPoolWorkItem, IValueTaskSource<DnsAnswer>
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
                QueryType wanted = type switch { DnsType.Mx => QueryType.MX, DnsType.A => QueryType.A, _ => QueryType.AAAA };
                IDnsQueryResponse response = await client.QueryAsync(new DnsQuestion(name, wanted)).ConfigureAwait(false);
                _answer = DnsAnswers.Read(response, name, type);
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
            loop.Post(this);
        }

        DnsAnswer IValueTaskSource<DnsAnswer>.GetResult(short token) => _core.GetResult(token);

        ValueTaskSourceStatus IValueTaskSource<DnsAnswer>.GetStatus(short token) => _core.GetStatus(token);

        void IValueTaskSource<DnsAnswer>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, ValueTaskSourceOnCompletedFlags.None);
    }
}
