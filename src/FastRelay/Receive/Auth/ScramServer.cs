using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>The server's side of one SCRAM-SHA-256 exchange (RFC 5802 5, RFC 7677), without channel binding. Pure.</summary>
/// <param name="users">Who there is.</param>
internal sealed class ScramServer(UserTable users)
{
    private const int ClientNonceMax = 200;

    private readonly ArrayBufferWriter<byte> _authMessage = new(512);
    private readonly byte[] _message = new byte[512];
    private byte[] _header = [];
    private byte[] _nonce = [];
    private ScramVerifier _verifier = null!;
    private int _length;

    /// <summary>The user; null when there is none of that name.</summary>
    public string? User { get; private set; }

    /// <summary>The next server message.</summary>
    public ReadOnlySpan<byte> Message => _message.AsSpan(0, _length);

    /// <summary>client-first-message: <c>n,[a=authzid],n=name,r=nonce</c>.</summary>
    public AuthVerdict First(ReadOnlySpan<byte> message)
    {
        int first = message.IndexOf((byte)',');
        int second = first < 0 ? -1 : message[(first + 1)..].IndexOf((byte)',');
        // 'y' says that the client could bind a channel and thinks that we cannot, which is so; 'p' demands it.
        if (first != 1 || second < 0 || message[0] is not ((byte)'n' or (byte)'y'))
        {
            return AuthVerdict.Malformed;
        }
        ReadOnlySpan<byte> authorise = message.Slice(first + 1, second);
        int bareAt = first + 1 + second + 1;
        ReadOnlySpan<byte> bare = message[bareAt..];
        _header = message[..bareAt].ToArray();
        if (!Scram.TryAttribute(ref bare, 'n', out ReadOnlySpan<byte> name) || !Scram.TryAttribute(ref bare, 'r', out ReadOnlySpan<byte> nonce)
            || name.IsEmpty || nonce.IsEmpty || nonce.Length > ClientNonceMax || nonce.ContainsAnyExceptInRange((byte)0x21, (byte)0x7E))
        {
            return AuthVerdict.Malformed;
        }
        Span<byte> plain = stackalloc byte[SaslText.OctetsMax];
        if (!Scram.TryUnescape(name, plain, out int length) || (!authorise.IsEmpty && !authorise.SequenceEqual((byte[])[(byte)'a', (byte)'=', .. name])))
        {
            return AuthVerdict.Malformed;
        }
        _verifier = users.Find(plain[..length], out string? known);
        User = known;
        _nonce = new byte[nonce.Length + NonceSource.NonceBytes];
        nonce.CopyTo(_nonce);
        users.Nonces.Write(_nonce.AsSpan(nonce.Length));
        _length = Encoding.ASCII.GetBytes(
            string.Create(CultureInfo.InvariantCulture, $"r={Encoding.ASCII.GetString(_nonce)},s={Convert.ToBase64String(_verifier.Salt)},i={_verifier.Iterations}"),
            _message);
        _authMessage.Write(message[bareAt..]);
        _authMessage.Write(","u8);
        _authMessage.Write(Message);
        return AuthVerdict.Challenge;
    }

    /// <summary>client-final-message: <c>c=binding,r=nonce,p=proof</c>.</summary>
    public AuthVerdict Final(ReadOnlySpan<byte> message)
    {
        int proofAt = message.LastIndexOf(",p="u8);
        ReadOnlySpan<byte> rest = message;
        Span<byte> proof = stackalloc byte[48];
        Span<byte> binding = stackalloc byte[1024];
        if (proofAt < 0
            || !Scram.TryAttribute(ref rest, 'c', out ReadOnlySpan<byte> bound) || !Scram.TryAttribute(ref rest, 'r', out ReadOnlySpan<byte> nonce)
            || Base64.DecodeFromUtf8(message[(proofAt + 3)..], proof, out _, out int proofLength) != OperationStatus.Done || proofLength != Scram.KeyBytes
            || Base64.DecodeFromUtf8(bound, binding, out _, out int bindingLength) != OperationStatus.Done)
        {
            return AuthVerdict.Malformed;
        }
        _authMessage.Write(","u8);
        _authMessage.Write(message[..proofAt]);
        Span<byte> signature = stackalloc byte[Scram.KeyBytes];
        Scram.Signature(_verifier.StoredKey, _authMessage.WrittenSpan, signature);
        Span<byte> clientKey = proof[..Scram.KeyBytes];
        Scram.Prove(clientKey, signature);
        Span<byte> stored = stackalloc byte[Scram.KeyBytes];
        Scram.StoredKey(clientKey, stored);
        bool proved = CryptographicOperations.FixedTimeEquals(stored, _verifier.StoredKey);
        if (!proved || User is null || !nonce.SequenceEqual(_nonce) || !binding[..bindingLength].SequenceEqual(_header))
        {
            return AuthVerdict.Refused;
        }
        Scram.Signature(_verifier.ServerKey, _authMessage.WrittenSpan, signature);
        _length = Encoding.ASCII.GetBytes("v=" + Convert.ToBase64String(signature), _message);
        return AuthVerdict.Challenge;
    }
}
