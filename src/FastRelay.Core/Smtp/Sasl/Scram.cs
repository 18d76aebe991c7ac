using System.Security.Cryptography;

namespace FastRelay.Smtp;

/// <summary>
/// What both sides of SCRAM-SHA-256 (RFC 5802, RFC 7677) compute and read alike: keys, signatures, and the attributes of
/// its messages. Pure; the order of the messages is the sides' own.
/// </summary>
public static class Scram
{
    /// <summary>Octets of a key, a signature and a proof: SHA-256.</summary>
    public const int KeyBytes = SHA256.HashSizeInBytes;

    /// <summary>Most octets of a salt that is taken from a peer or a file.</summary>
    public const int SaltMax = 64;

    /// <summary>Fewest rounds of PBKDF2 (RFC 7677 4): fewer would give a password away cheaply.</summary>
    public const int IterationsMin = 4_096;

    /// <summary>Most: nobody may keep a core busy for longer than about a second.</summary>
    public const int IterationsMax = 2_000_000;

    /// <summary>True for a count of rounds that is neither too cheap nor too dear.</summary>
    public static bool IsIterations(int iterations) => iterations is >= IterationsMin and <= IterationsMax;

    /// <summary>SaltedPassword: Hi() of RFC 5802 2.2. Costs milliseconds.</summary>
    /// <param name="password">Octets.</param>
    /// <param name="salt">Octets.</param>
    /// <param name="iterations">Rounds.</param>
    /// <param name="into"><see cref="KeyBytes"/> octets.</param>
    public static void SaltedPassword(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int iterations, Span<byte> into) =>
        Rfc2898DeriveBytes.Pbkdf2(password, salt, into, iterations, HashAlgorithmName.SHA256);

    /// <summary>ClientKey of a salted password (RFC 5802 3).</summary>
    public static void ClientKey(ReadOnlySpan<byte> salted, Span<byte> into) => HMACSHA256.HashData(salted, "Client Key"u8, into);

    /// <summary>ServerKey of a salted password (RFC 5802 3).</summary>
    public static void ServerKey(ReadOnlySpan<byte> salted, Span<byte> into) => HMACSHA256.HashData(salted, "Server Key"u8, into);

    /// <summary>StoredKey: H(ClientKey).</summary>
    public static void StoredKey(ReadOnlySpan<byte> clientKey, Span<byte> into) => SHA256.HashData(clientKey, into);

    /// <summary>ClientSignature with a stored key, ServerSignature with a server key.</summary>
    public static void Signature(ReadOnlySpan<byte> key, ReadOnlySpan<byte> authMessage, Span<byte> into) => HMACSHA256.HashData(key, authMessage, into);

    /// <summary>ClientProof = ClientKey XOR ClientSignature, which is also the way back from a proof to a key.</summary>
    /// <param name="value">The key or the proof, replaced by the other.</param>
    /// <param name="signature">The client's signature.</param>
    public static void Prove(Span<byte> value, ReadOnlySpan<byte> signature)
    {
        Check.That(value.Length == KeyBytes && signature.Length == KeyBytes);
        for (int i = 0; i < KeyBytes; i++)
        {
            value[i] ^= signature[i];
        }
    }

    /// <summary>Takes the attribute <c>name=value</c> with its comma off the front of a message (RFC 5802 7).</summary>
    /// <param name="rest">The message; what is behind the attribute when it was there.</param>
    /// <param name="name">Its letter.</param>
    /// <param name="value">May be empty.</param>
    public static bool TryAttribute(ref ReadOnlySpan<byte> rest, char name, out ReadOnlySpan<byte> value)
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

    /// <summary>Writes a saslname: a comma as <c>=2C</c>, an equals sign as <c>=3D</c> (RFC 5802 5.1).</summary>
    /// <returns>False when it does not fit.</returns>
    public static bool TryEscape(ReadOnlySpan<byte> name, Span<byte> into, out int length)
    {
        length = 0;
        foreach (byte octet in name)
        {
            ReadOnlySpan<byte> written = octet == ',' ? "=2C"u8 : octet == '=' ? "=3D"u8 : [octet];
            if (!written.TryCopyTo(into[length..]))
            {
                return false;
            }
            length += written.Length;
        }
        return true;
    }

    /// <summary>Reads a saslname: nothing but <c>2C</c> and <c>3D</c> may follow an equals sign (RFC 5802 5.1), and no octet is NUL.</summary>
    /// <returns>False when it is none, or does not fit.</returns>
    public static bool TryUnescape(ReadOnlySpan<byte> name, Span<byte> into, out int length)
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
