using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;

namespace FastRelay.Smtp;

/// <summary>Nonces that nobody can foresee and that never come again: a keyed hash of a count. Any thread.</summary>
public sealed class NonceSource
{
    /// <summary>Octets of a nonce: 18 octets in base64, which are printable and hold no comma (RFC 5802 5.1).</summary>
    public const int NonceBytes = 24;

    private readonly byte[] _secret;
    private long _count;

    /// <summary>Makes a source.</summary>
    /// <param name="secret">32 octets from a cryptographic source, which nothing else hashes numbers with.</param>
    public NonceSource(byte[] secret)
    {
        Check.That(secret.Length == 32);
        _secret = secret;
    }

    /// <summary>Writes the next one.</summary>
    /// <param name="into">At least <see cref="NonceBytes"/>.</param>
    public void Write(Span<byte> into)
    {
        // Nine octets, so that it is no salt of a name of eight octets under the same secret.
        Span<byte> number = stackalloc byte[9];
        BinaryPrimitives.WriteInt64LittleEndian(number, Interlocked.Increment(ref _count));
        number[8] = (byte)'n';
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_secret, number, hash);
        Base64.EncodeToUtf8(hash[..18], into, out _, out int written);
        Check.That(written == NonceBytes);
    }
}
