using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

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
        if (!Attribute(ref bare, 'n', out ReadOnlySpan<byte> name) || !Attribute(ref bare, 'r', out ReadOnlySpan<byte> nonce)
            || name.IsEmpty || nonce.IsEmpty || nonce.Length > ClientNonceMax || nonce.ContainsAnyExceptInRange((byte)0x21, (byte)0x7E))
        {
            return AuthVerdict.Malformed;
        }
        Span<byte> plain = stackalloc byte[UserTable.NameMax];
        if (!TryUnescape(name, plain, out int length) || (!authorise.IsEmpty && !authorise.SequenceEqual((byte[])[(byte)'a', (byte)'=', .. name])))
        {
            return AuthVerdict.Malformed;
        }
        _verifier = users.Find(plain[..length], out string? known);
        User = known;
        _nonce = new byte[nonce.Length + UserTable.NonceBytes];
        nonce.CopyTo(_nonce);
        users.WriteNonce(_nonce.AsSpan(nonce.Length));
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
            || !Attribute(ref rest, 'c', out ReadOnlySpan<byte> bound) || !Attribute(ref rest, 'r', out ReadOnlySpan<byte> nonce)
            || Base64.DecodeFromUtf8(message[(proofAt + 3)..], proof, out _, out int proofLength) != OperationStatus.Done || proofLength != ScramVerifier.KeyBytes
            || Base64.DecodeFromUtf8(bound, binding, out _, out int bindingLength) != OperationStatus.Done)
        {
            return AuthVerdict.Malformed;
        }
        _authMessage.Write(","u8);
        _authMessage.Write(message[..proofAt]);
        Span<byte> signature = stackalloc byte[ScramVerifier.KeyBytes];
        HMACSHA256.HashData(_verifier.StoredKey, _authMessage.WrittenSpan, signature);
        for (int i = 0; i < signature.Length; i++)
        {
            // Now it is the client key.
            signature[i] ^= proof[i];
        }
        Span<byte> stored = stackalloc byte[ScramVerifier.KeyBytes];
        SHA256.HashData(signature, stored);
        bool proved = CryptographicOperations.FixedTimeEquals(stored, _verifier.StoredKey);
        if (!proved || User is null || !nonce.SequenceEqual(_nonce) || !binding[..bindingLength].SequenceEqual(_header))
        {
            return AuthVerdict.Refused;
        }
        byte[] ours = HMACSHA256.HashData(_verifier.ServerKey, _authMessage.WrittenSpan);
        _length = Encoding.ASCII.GetBytes("v=" + Convert.ToBase64String(ours), _message);
        return AuthVerdict.Challenge;
    }

    // "x=value," at the front; extensions behind what is wanted are not looked at.
    private static bool Attribute(ref ReadOnlySpan<byte> rest, char name, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (rest.Length < 2 || rest[0] != name || rest[1] != '=')
        {
            return false;
        }
        int end = rest.IndexOf((byte)',');
        value = end < 0 ? rest[2..] : rest[2..end];
        rest = end < 0 ? default : rest[(end + 1)..];
        return true;
    }

    // saslname: '=2C' is a comma and '=3D' an equals sign, nothing else may follow an equals sign (RFC 5802 5.1).
    private static bool TryUnescape(ReadOnlySpan<byte> name, Span<byte> into, out int length)
    {
        length = 0;
        for (int at = 0; at < name.Length; at++)
        {
            byte octet = name[at];
            if (octet == '=')
            {
                ReadOnlySpan<byte> code = name[(at + 1)..];
                octet = code.StartsWith("2C"u8) ? (byte)',' : code.StartsWith("3D"u8) ? (byte)'=' : (byte)0;
                at += 2;
            }
            if (octet == 0 || length == into.Length)
            {
                return false;
            }
            into[length++] = octet;
        }
        return true;
    }
}
