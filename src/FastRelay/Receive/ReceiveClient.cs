using System.Net;
using FastRelay.Config;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// What is known of the client of one session: who it is, which is forgotten but for its address when TLS starts (RFC 3207 4.2),
/// and how it has behaved. All that a <see cref="ReceiveMachine"/> keeps of a session between two transactions.
/// </summary>
public sealed class ReceiveClient
{
    /// <summary>By so many octets the room for a name grows.</summary>
    private const int HeloStep = 16;

    // Not before it is needed, and as long as it must be: thousands of sessions are silent.
    private byte[] _helo = [];
    private int _heloLength;
    private byte[]? _peerText;

    /// <summary>Most octets of an EHLO argument that are kept; more is no name (RFC 5321 4.5.3.1.2).</summary>
    public const int HeloMax = 256;

    /// <summary>Most octets of an address and port as text.</summary>
    public const int PeerMax = 64;

    /// <summary>The argument of the last EHLO or HELO; empty before.</summary>
    public ReadOnlySpan<byte> Helo => _helo.AsSpan(0, _heloLength);

    /// <summary>The client's address and port; its proxy's where that cannot name it.</summary>
    public IPEndPoint Peer { get; private set; } = s_nobody;

    /// <summary>The same as text; made for the first message.</summary>
    public ReadOnlySpan<byte> PeerText => _peerText ??= Text(Peer);

    /// <summary>Its address, which a proxy may have named; null where the proxy cannot say.</summary>
    public IPAddress? Address
    {
        get;
        // An IPv4 client of an IPv6 listener is that IPv4 client.
        set => field = value is { IsIPv4MappedToIPv6: true } ? value.MapToIPv4() : value;
    }

    /// <summary>Where it came in; null before.</summary>
    public ListenConfig? Listener { get; set; }

    /// <summary>It said EHLO or HELO.</summary>
    public bool Greeted { get; private set; }

    /// <summary>True after EHLO, false after HELO.</summary>
    public bool Extended { get; private set; }

    /// <summary>The session is inside TLS.</summary>
    public bool Secured { get; private set; }

    /// <summary>Its address may relay.</summary>
    public bool Trusted { get; private set; }

    /// <summary>The user that it proved to be; null before.</summary>
    public string? User { get; private set; }

    /// <summary>Fingerprint of its certificate, when that may relay; else null.</summary>
    public string? Certificate { get; private set; }

    /// <summary>MAIL is answered so instead, while it is not empty: the listener is for users.</summary>
    internal byte[] Closed { get; set; } = [];

    /// <summary>AUTH= may stand behind MAIL.</summary>
    internal bool OffersAuth { get; set; }

    /// <summary>Messages that were answered 250.</summary>
    internal int Messages { get; set; }

    /// <summary>What it did wrong.</summary>
    internal int Errors { get; set; }

    /// <summary>Exchanges of AUTH that failed.</summary>
    internal int AuthFailures { get; set; }

    /// <summary>How its messages come in, for the trace header (RFC 3848).</summary>
    public WithProtocol With => !Extended ? WithProtocol.Smtp
        : Secured ? (User is null ? WithProtocol.Esmtps : WithProtocol.Esmtpsa)
        : WithProtocol.Esmtp;

    /// <summary>A new connection.</summary>
    /// <param name="peer">Address and port.</param>
    /// <param name="trusted">The address may relay.</param>
    /// <param name="secured">TLS began with the connection (RFC 8314).</param>
    /// <param name="certificate">Fingerprint of its certificate, when that may relay.</param>
    public void Start(IPEndPoint peer, bool trusted, bool secured, string? certificate)
    {
        Peer = peer;
        _peerText = null;
        Trusted = trusted;
        Secured = secured;
        Certificate = certificate;
        Forget();
    }

    /// <summary>EHLO or HELO.</summary>
    public void Greet(ReadOnlySpan<byte> name, bool extended)
    {
        if (_helo.Length < name.Length)
        {
            _helo = new byte[(name.Length + HeloStep - 1) / HeloStep * HeloStep];
        }
        name.CopyTo(_helo);
        _heloLength = name.Length;
        Greeted = true;
        Extended = extended;
    }

    /// <summary>The handshake is done: everything learned in clear is forgotten.</summary>
    public void Secure(string? certificate)
    {
        Secured = true;
        Certificate = certificate;
        Forget();
    }

    /// <summary>AUTH succeeded.</summary>
    public void Authenticate(string user) => User = user;

    private static readonly IPEndPoint s_nobody = new(IPAddress.Any, 0);

    private static byte[] Text(IPEndPoint peer)
    {
        Span<byte> text = stackalloc byte[PeerMax];
        return text[..Observe.LogLine.Format(peer, text)].ToArray();
    }

    private void Forget()
    {
        User = null;
        Greeted = false;
        Extended = false;
        _heloLength = 0;
    }
}
