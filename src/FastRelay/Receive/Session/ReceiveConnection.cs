using System.Net;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// One connection, and all that is kept of its session while the client is silent between two transactions: thousands are.
/// Then it has no <see cref="ReceiveSession"/>: no machine, no buffer and no suspended method. Input, a timeout or the relay's
/// stop wakes it, and a session goes on where the last one left it.
/// </summary>
/// <param name="receiver">Lends sessions.</param>
/// <param name="link">The connection.</param>
/// <param name="admitted">The client is counted; behind a proxy it is not known yet who it is.</param>
internal sealed class ReceiveConnection(Receiver receiver, Link link, bool admitted) : LoopItem
{
    private bool _hurried;

    /// <summary>The connection.</summary>
    public Link Link => link;

    /// <summary>The bounds that it began with, and who may relay.</summary>
    public ReceiveOptions Options { get; } = receiver.Options;

    /// <summary>What it waits for.</summary>
    public SessionClock Clock { get; } = new(link);

    /// <summary>Who it is; its proxy until that has named it.</summary>
    public IPEndPoint Peer { get; set; } = link.Remote;

    /// <summary>For whom a proxy speaks.</summary>
    public ProxiedKind Kind { get; set; } = ProxiedKind.Client;

    /// <summary>It is counted among the sessions of its client.</summary>
    public bool Admitted { get; set; } = admitted;

    /// <summary>What is known of the client; null before the greeting.</summary>
    public ReceiveClient? Client { get; set; }

    /// <summary>Its place in traces.</summary>
    public TraceMark Mark { get; set; }

    /// <summary>Who serves it now; null while it is at rest.</summary>
    public ReceiveSession? Session { get; set; }

    /// <summary>The doors are closed: 421 where a command is waited for, in a transaction too, and elsewhere as soon as one would be.</summary>
    public void Drain()
    {
        if (Clock.Waiting == SessionWait.Command)
        {
            link.CancelRead();
        }
        Session?.Wake();
    }

    /// <summary>
    /// Its time is over. Called every now and then: at first content is answered 421, then whatever is left is cut. A commit
    /// under way is let end, and its client has until the next call but one to take the answer.
    /// </summary>
    public void Hurry()
    {
        bool last = _hurried;
        _hurried = Session is not { IsCommitting: true };
        if (last && _hurried)
        {
            Abort();
        }
        else if (_hurried && Clock.Waiting == SessionWait.Data)
        {
            link.CancelRead();
        }
    }

    /// <summary>Ends it at once.</summary>
    public void Abort()
    {
        link.Abort();
        Session?.Wake();
    }

    /// <summary>There is something to read, or the wait was ended.</summary>
    protected override void Run()
    {
        if (Session is null)
        {
            receiver.Wake(this);
        }
    }
}
