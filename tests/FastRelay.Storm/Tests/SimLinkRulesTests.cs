using System.IO.Pipelines;
using System.Net;
using System.Text;
using FastRelay.Outside;
using FastRelay.Tests.Outside;

namespace FastRelay.Storm.Tests;

/// <summary>The simulator's links keep the rules of the real ones, in a world without faults and in several shapes.</summary>
public class PlainSimLinkTests : LinkRules
{
    protected override LinkRig NewRig() => new SimLinkRig(new LinkProfile { PieceBytes = 65_536 });
}

/// <summary>The same rules over small kernel buffers.</summary>
public class NarrowSimLinkTests : LinkRules
{
    protected override LinkRig NewRig() => new SimLinkRig(new LinkProfile { SendBytes = 24_000, ReceiveBytes = 22_000 });
}

/// <summary>And those of waiting for input.</summary>
public class SimLinkWakeTests : LinkWakeRules
{
    protected override LinkRig NewRig() => new SimLinkRig(new LinkProfile { PieceBytes = 65_536 });
}

internal sealed class SimLinkRig : LinkRig
{
    private readonly SimUniverse _universe = new(11);
    private readonly SimHost _host;
    private readonly SimHost _far;
    private readonly Listener _listener;
    private readonly Listener _farListener;

    public SimLinkRig(LinkProfile profile)
    {
        _universe.Faults.On = false;
        _universe.Wire.Profile = _ => profile;
        _host = _universe.AddHost("ours");
        _far = _universe.AddHost("far");
        _host.Network.Listen(new IPEndPoint(IPAddress.Loopback, 25), out Listener? listener);
        _far.Network.Listen(new IPEndPoint(IPAddress.Parse("127.0.0.2"), 25), out Listener? farListener);
        _listener = listener!;
        _farListener = farListener!;
    }

    public override Loop Loop => _host.Loop;

    public override Network Network => _host.Network;

    public override int RentedBuffers => _host.Network.RentedBuffers;

    public override (Link Link, RigPeer Peer) Accept()
    {
        (Link far, Link ours) = Connect(_far, _listener);
        return (ours, new SimPeer(this, far));
    }

    public override (Link Link, RigPeer Peer) Dial()
    {
        (Link ours, Link far) = Connect(_host, _farListener);
        return (ours, new SimPeer(this, far));
    }

    public override (Link Client, Link Server) Pair() => Connect(_host, _listener);

    public override void Turn() => _universe.Step();

    private (Link Dialler, Link Acceptor) Connect(SimHost from, Listener to)
    {
        ValueTask<Link?> accept = to.AcceptAsync();
        Link dialler = Run(from.Network.ConnectAsync(to.EndPoint, null, 10_000)).Link!;
        return (dialler, Run(accept)!);
    }

    private sealed class SimPeer : RigPeer
    {
        private readonly SimLinkRig _rig;
        private readonly Link _link;
        private readonly StringBuilder _received = new();
        private readonly Signal<bool> _go;
        private bool _ended;
        private bool _reads = true;

        public SimPeer(SimLinkRig rig, Link link)
        {
            _rig = rig;
            _link = link;
            _go = new Signal<bool>(link.Loop);
            _ = ReadAllAsync().AsTask();
        }

        public override string Received => _received.ToString();

        public override bool SawEnd => _ended && _link.Error == LinkError.Eof;

        public override bool SawReset => _link.Error == LinkError.Reset;

        public override bool Reads
        {
            get => _reads;
            set
            {
                _reads = value;
                _go.Set(true);
            }
        }

        public override void Send(string text)
        {
            byte[] bytes = Encoding.Latin1.GetBytes(text);
            Task<FlushResult> write = _link.Output.WriteAsync(bytes).AsTask();
            _rig.Until(() => write.IsCompleted);
        }

        public override void EndSending() => ((SimLink)_link).EndSending();

        public override void Reset() => _link.Abort();

        private async ValueTask ReadAllAsync()
        {
            while (!_ended)
            {
                if (!_reads)
                {
                    await _go.WaitAsync();
                    continue;
                }
                ReadResult read = await _link.Input.ReadAsync();
                if (_reads)
                {
                    _received.Append(Encoding.Latin1.GetString(read.Buffer.FirstSpan));
                    _link.Input.AdvanceTo(read.Buffer.End);
                    _ended = read.IsCompleted;
                }
                else
                {
                    _link.Input.AdvanceTo(read.Buffer.Start);
                    _ended = read.IsCompleted;
                }
            }
        }
    }
}
