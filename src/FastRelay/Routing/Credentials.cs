using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace FastRelay.Routing;

/// <summary>
/// Who we are to a smarthost (RFC 4954). Never logged, never shown. Loop thread only: it keeps the key that SCRAM derives
/// from the password, so that a new connection does not cost a thousand hashes again.
/// </summary>
public sealed class Credentials
{
    /// <summary>Most octets of user and password together: the longest line of AUTH then fits in 512 octets.</summary>
    public const int BytesMax = 320;

    /// <summary>Octets of a nonce: 18 octets in base64.</summary>
    public const int NonceBytes = 24;

    private readonly byte[] _name;
    private readonly byte[] _password;
    private readonly byte[] _secret;
    private byte[] _salt = [];
    private byte[] _salted = [];
    private int _iterations;
    private long _nonces;

    /// <summary>Makes credentials.</summary>
    /// <param name="user">Printable ASCII; with the password at most <see cref="BytesMax"/> octets.</param>
    /// <param name="password">Printable ASCII and spaces, so that every mechanism means the same octets by it (RFC 4013).</param>
    /// <param name="secret">32 octets from a cryptographic source: nonces come from it.</param>
    public Credentials(string user, string password, byte[] secret)
    {
        Check.That(IsUser(user) && IsPassword(password) && user.Length + password.Length <= BytesMax && secret.Length == 32);
        User = user;
        _name = Encoding.ASCII.GetBytes(user);
        _password = Encoding.ASCII.GetBytes(password);
        _secret = secret;
    }

    /// <summary>The user's name.</summary>
    public string User { get; }

    /// <summary>True when another says the same user and password.</summary>
    public bool IsSame(Credentials? other) => other is not null && other.User == User && CryptographicOperations.FixedTimeEquals(other._password, _password);

    internal ReadOnlySpan<byte> Name => _name;

    internal ReadOnlySpan<byte> Password => _password;

    /// <summary>True for what may be a user's name: printable ASCII without a space, 1 to 255 characters.</summary>
    public static bool IsUser(string text) => text.Length is > 0 and <= 255 && text.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0;

    /// <summary>True for what may be a password: printable ASCII and spaces, 1 to 255 characters.</summary>
    public static bool IsPassword(string text) => text.Length is > 0 and <= 255 && text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0;

    /// <summary>The salted password, when it was derived for this salt before; empty otherwise.</summary>
    internal ReadOnlySpan<byte> SaltedFor(ReadOnlySpan<byte> salt, int iterations) =>
        _iterations == iterations && salt.SequenceEqual(_salt) ? _salted : default;

    /// <summary>Hi() of RFC 5802 2.2; costs milliseconds, any thread.</summary>
    internal byte[] Derive(byte[] salt, int iterations) =>
        Rfc2898DeriveBytes.Pbkdf2(_password, salt, iterations, HashAlgorithmName.SHA256, SHA256.HashSizeInBytes);

    /// <summary>Keeps what was derived.</summary>
    internal void Keep(byte[] salt, int iterations, byte[] salted) => (_salt, _iterations, _salted) = (salt, iterations, salted);

    /// <summary>Writes a nonce that nobody can foresee and that never comes again.</summary>
    internal void WriteNonce(Span<byte> into)
    {
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, ++_nonces);
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_secret, number, hash);
        Base64.EncodeToUtf8(hash[..18], into, out _, out int written);
        Check.That(written == NonceBytes);
    }
}
