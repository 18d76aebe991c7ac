using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>One end of a simulated connection; keeps the rules of <see cref="Link"/>.</summary>
public sealed class SimLink : Link
{
    private const int LingerBytes = 64 * 1024;
    private const long LingerNs = 2_000_000_000;
    private static readonly byte[] Hello = "\u0016\u0003\u0001simulated-tls\r\n"u8.ToArray();
    private static readonly byte[] Alert = "\u0015\u0003\u0001simulated-tls\r\n"u8.ToArray();
    private readonly SimHost _host;
    private readonly SimConnection _connection;
    private readonly bool _isClient;
    private SimReader _reader;
    private SimWriter _writer;
    private LinkError _error;
    private string? _tlsName;
    private bool _closed;
    private int _lingered;
    private LoopItem? _onInput;

    internal SimLink(SimHost host, SimConnection connection, IPEndPoint local, IPEndPoint remote, bool isClient)
    {
        _host = host;
        _connection = connection;
        _isClient = isClient;
        Local = local;
        Remote = remote;
        Readable = new Signal<bool>(host.Loop);
        Writable = new Signal<bool>(host.Loop);
        _reader = new SimReader(this);
        _writer = new SimWriter(this);
        host.Network.Opened(this);
    }

    public override Loop Loop => _host.Loop;

    public override PipeReader Input => _reader;

    public override PipeWriter Output => _writer;

    public override IPEndPoint Local { get; }

    public override IPEndPoint Remote { get; }

    public override LinkError Error => _error;

    public override string? TlsName => _tlsName;

    /// <summary>Buffers that the link holds now.</summary>
    internal int Buffers => (_reader.HasBuffer ? 1 : 0) + (_writer.HasBuffer ? 1 : 0);

    internal SimUniverse Universe => _host.Universe;

    internal Signal<bool> Readable { get; }

    internal Signal<bool> Writable { get; }

    /// <summary>Neither end has closed, reset or lost it, as far as this one knows.</summary>
    internal bool IsOpen => !IsDead;

    /// <summary>True when nothing can be sent any more.</summary>
    internal bool IsDead => _error is not (LinkError.None or LinkError.Eof) || _closed;

    /// <summary>True when no byte will arrive any more.</summary>
    internal bool AtEnd => IsDead || (_connection.FinArrived(this) && _connection.Received(this).Count == 0);

    public override ValueTask<TlsResult> StartTlsAsync(ServerTls tls, bool keepInput = false)
    {
        Check.That(!keepInput, "no proxy is simulated");
        return HandshakeAsync();
    }

    public override ValueTask<TlsResult> StartTlsAsync(SslClientAuthenticationOptions options) => HandshakeAsync();

    public override bool WakeOnInput(LoopItem item)
    {
        Loop.CheckThread();
        Check.That(_onInput is null || _onInput == item, "two readers on one link");
        if (_reader.HasResult || AtEnd || _connection.Received(this).Count > 0)
        {
            return false;
        }
        _onInput = item;
        return true;
    }

    public override void CancelRead()
    {
        Loop.CheckThread();
        _reader.CancelPendingRead();
    }

    public override void Abort()
    {
        Loop.CheckThread();
        if (_closed || _error is LinkError.Reset or LinkError.Aborted)
        {
            Finish(LinkError.Aborted);
            return;
        }
        _host.Universe.Trace.Add("abort", _connection.Id);
        _connection.Reset(this, _connection.Profile.LatencyNs);
        Finish(LinkError.Aborted);
    }

    public override void Close()
    {
        Loop.CheckThread();
        if (_closed)
        {
            return;
        }
        if (_error is LinkError.Reset or LinkError.Aborted)
        {
            _closed = true;
            Finish(_error);
            return;
        }
        _host.Universe.Trace.Add("close", _connection.Id);
        bool unread = _connection.Received(this).Count > 0 || _reader.Buffered > 0;
        _closed = true;
        _connection.Fin(this);
        if (unread && !_connection.FinArrived(this))
        {
            Drain();
            _host.After(LingerNs, EndLinger);
        }
        else
        {
            EndLinger();
        }
        WakeReader();
        Writable.Set(true);
    }

    /// <summary>Half-closes, as a peer may: no more bytes from this end, and it goes on reading.</summary>
    internal void EndSending() => _connection.Fin(this);

    internal int Send(ReadOnlySpan<byte> data) => IsDead ? -1 : _connection.Send(this, data);

    /// <summary>Moves what has arrived into a buffer, as recv does.</summary>
    internal int Receive(Span<byte> buffer)
    {
        ByteQueue received = _connection.Received(this);
        int count = IsDead ? 0 : Math.Min(received.Count, buffer.Length);
        received.Peek(count).CopyTo(buffer);
        received.Skip(count);
        if (count > 0)
        {
            _connection.Consumed(this);
        }
        return count;
    }

    internal void SawEnd()
    {
        if (_error == LinkError.None)
        {
            _error = LinkError.Eof;
        }
    }

    internal void Arrived()
    {
        if (_closed)
        {
            Drain();
        }
        else
        {
            WakeReader();
        }
    }

    internal void WakeReader()
    {
        Readable.Set(true);
        if (_onInput is { } item)
        {
            _onInput = null;
            Loop.Enqueue(item);
        }
    }

    internal void HasRoom() => Writable.Set(true);

    internal void WasReset()
    {
        if (!_closed)
        {
            Finish(LinkError.Reset);
        }
    }

    /// <summary>The host is gone; the peer finds out after up to some seconds.</summary>
    internal void HostDied()
    {
        _connection.Reset(this, _host.Universe.Wire.Random.Magnitude(10_000, 5_000_000_000));
        _closed = true;
    }

    private void Finish(LinkError error)
    {
        if (_error is LinkError.None or LinkError.Eof)
        {
            _error = error;
        }
        _host.Network.Forget(this);
        WakeReader();
        Writable.Set(true);
    }

    private void Drain()
    {
        ByteQueue received = _connection.Received(this);
        _lingered += received.Count;
        received.Clear();
        _connection.Consumed(this);
        if (_lingered > LingerBytes || _connection.FinArrived(this))
        {
            EndLinger();
        }
    }

    private void EndLinger()
    {
        _connection.StopReading(this);
        _host.Network.Forget(this);
    }

    private async ValueTask<TlsResult> HandshakeAsync()
    {
        Loop.CheckThread();
        int dropped = _reader.Buffered;
        _reader = new SimReader(this);
        _writer = new SimWriter(this);
        bool bad = _connection.Profile.BadTls && _host.Universe.Faults.On && !_isClient;
        if (_isClient)
        {
            await _writer.WriteAsync(Hello);
        }
        string? problem = await ReadHelloAsync();
        if (problem is null && !_isClient)
        {
            await _writer.WriteAsync(bad ? Alert : Hello);
        }
        if (bad)
        {
            _host.Universe.Faults.Hit("tls handshake");
            problem ??= "simulated handshake failure";
        }
        if (problem is not null)
        {
            if (_error is LinkError.None or LinkError.Eof)
            {
                _error = LinkError.Tls;
            }
            return new TlsResult(false, problem, dropped);
        }
        _tlsName = "TLSv1.3 SIMULATED";
        return new TlsResult(true, "", dropped);
    }

    private async ValueTask<string?> ReadHelloAsync()
    {
        byte[] got = new byte[Hello.Length];
        int have = 0;
        while (have < got.Length)
        {
            int count = Receive(got.AsSpan(have));
            have += count;
            if (count == 0)
            {
                if (AtEnd)
                {
                    return "the peer closed the connection during the handshake";
                }
                await Readable.WaitAsync();
            }
        }
        return got.AsSpan().SequenceEqual(Hello) ? null : "the peer did not speak TLS";
    }
}
