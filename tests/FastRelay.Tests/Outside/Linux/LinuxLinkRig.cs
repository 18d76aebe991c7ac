using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.Outside;
using FastRelay.Outside.Linux;

namespace FastRelay.Tests.Outside;

/// <summary>Links on epoll, peers on plain sockets.</summary>
public sealed class LinuxLinkRig : LinkRig
{
    private readonly EpollPoller _poller = new();
    private readonly LinuxOffload _offload;
    private readonly EpollNetwork _network;
    private readonly Listener _listener;
    private readonly List<SocketPeer> _peers = [];

    public LinuxLinkRig(IReadOnlyList<int>? listening = null)
    {
        Loop = new Loop(TimeProvider.System, _poller);
        _offload = new LinuxOffload(Loop, threads: 1);
        _network = new EpollNetwork(Loop, _offload, listening);
        Assert.Equal(0, _network.Listen(new IPEndPoint(IPAddress.Loopback, 0), out Listener? listener));
        _listener = listener!;
    }

    public override Loop Loop { get; }

    public override Network Network => _network;

    public EpollPoller Poller => _poller;

    public Listener Listener => _listener;

    public override int RentedBuffers => _network.RentedBuffers;

    /// <summary>Bytes that the kernel keeps for a peer before it asks for more; 0: the system's choice.</summary>
    public int PeerReceiveBuffer { get; set; }

    /// <summary>The peer's own end, for tests that want another client on it.</summary>
    public static Socket SocketOf(RigPeer peer) => ((SocketPeer)peer).Socket;

    public override (Link Link, RigPeer Peer) Accept()
    {
        var socket = NewSocket();
        socket.Connect(_listener.EndPoint);
        Link? link = Run(_listener.AcceptAsync());
        return (link!, NewPeer(socket));
    }

    public override (Link Link, RigPeer Peer) Dial()
    {
        using var listener = NewSocket();
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        DialResult result = Run(_network.ConnectAsync((IPEndPoint)listener.LocalEndPoint!, null, 5_000));
        Assert.Equal(0, result.Errno);
        return (result.Link!, NewPeer(listener.Accept()));
    }

    public override (Link Client, Link Server) Pair()
    {
        DialResult result = Run(_network.ConnectAsync(_listener.EndPoint, null, 5_000));
        Link? server = Run(_listener.AcceptAsync());
        return (result.Link!, server!);
    }

    public override void Turn()
    {
        bool moved = Loop.Turn(canSleep: false);
        foreach (SocketPeer peer in _peers)
        {
            moved |= peer.Pump();
        }
        if (!moved)
        {
            Thread.Sleep(1);
        }
    }

    public override void Dispose()
    {
        _listener.Close();
        foreach (SocketPeer peer in _peers)
        {
            peer.Socket.Dispose();
        }
        _offload.Dispose();
        _poller.Dispose();
        base.Dispose();
    }

    private Socket NewSocket()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        if (PeerReceiveBuffer > 0)
        {
            socket.ReceiveBufferSize = PeerReceiveBuffer;
        }
        return socket;
    }

    private SocketPeer NewPeer(Socket socket)
    {
        socket.Blocking = false;
        var peer = new SocketPeer(this, socket);
        _peers.Add(peer);
        return peer;
    }

    private sealed class SocketPeer(LinuxLinkRig rig, Socket socket) : RigPeer
    {
        private readonly StringBuilder _received = new();
        private readonly byte[] _buffer = new byte[64 * 1024];
        private bool _sawEnd;
        private bool _sawReset;

        public Socket Socket => socket;

        public override string Received => _received.ToString();

        public override bool SawEnd => _sawEnd;

        public override bool SawReset => _sawReset;

        public override bool Reads { get; set; } = true;

        public override void Send(string text)
        {
            byte[] data = Encoding.Latin1.GetBytes(text);
            int sent = 0;
            while (sent < data.Length)
            {
                int n = socket.Send(data.AsSpan(sent), SocketFlags.None, out SocketError error);
                sent += Math.Max(n, 0);
                if (error == SocketError.WouldBlock)
                {
                    rig.Turn();
                }
                else if (error != SocketError.Success)
                {
                    return;
                }
            }
        }

        public override void EndSending() => socket.Shutdown(SocketShutdown.Send);

        public override void Reset()
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Close();
            Reads = false;
        }

        public bool Pump()
        {
            if (!Reads || _sawEnd || _sawReset)
            {
                return false;
            }
            int n = socket.Receive(_buffer, SocketFlags.None, out SocketError error);
            if (error == SocketError.Success)
            {
                _sawEnd = n == 0;
                _received.Append(Encoding.Latin1.GetString(_buffer, 0, n));
                return true;
            }
            _sawReset = error != SocketError.WouldBlock;
            return _sawReset;
        }
    }
}
