using System.Security.Cryptography;
using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Routing;

/// <summary>
/// Who we are to a smarthost (RFC 4954). Never logged, never shown. Loop thread only: it keeps the key that SCRAM derives
/// from the password, so that a new connection does not cost a thousand hashes again.
/// </summary>
public sealed class Credentials
{
    /// <summary>Most octets of user and password together: the longest line of AUTH then fits in 512 octets.</summary>
    public const int BytesMax = 320;

    private readonly byte[] _name;
    private readonly byte[] _password;
    private byte[] _salt = [];
    private byte[] _salted = [];
    private int _iterations;

    /// <summary>Makes credentials.</summary>
    /// <param name="user">Printable ASCII; with the password at most <see cref="BytesMax"/> octets.</param>
    /// <param name="password">Printable ASCII and spaces, so that every mechanism means the same octets by it (RFC 4013).</param>
    /// <param name="secret">32 octets from a cryptographic source: nonces come from it.</param>
    public Credentials(string user, string password, byte[] secret)
    {
        Check.That(SaslText.IsName(user) && SaslText.IsPassword(password) && user.Length + password.Length <= BytesMax);
        User = user;
        _name = Encoding.ASCII.GetBytes(user);
        _password = Encoding.ASCII.GetBytes(password);
        Nonces = new NonceSource(secret);
    }

    /// <summary>The user's name.</summary>
    public string User { get; }

    /// <summary>True when another says the same user and password.</summary>
    public bool IsSame(Credentials? other) => other is not null && other.User == User && CryptographicOperations.FixedTimeEquals(other._password, _password);

    internal ReadOnlySpan<byte> Name => _name;

    internal ReadOnlySpan<byte> Password => _password;

    /// <summary>The client's part of nonces.</summary>
    internal NonceSource Nonces { get; }

    /// <summary>The salted password, when it was derived for this salt before; empty otherwise.</summary>
    internal ReadOnlySpan<byte> SaltedFor(ReadOnlySpan<byte> salt, int iterations) =>
        _iterations == iterations && salt.SequenceEqual(_salt) ? _salted : default;

    /// <summary>Hi() of RFC 5802 2.2; costs milliseconds, any thread.</summary>
    internal byte[] Derive(byte[] salt, int iterations)
    {
        var salted = new byte[Scram.KeyBytes];
        Scram.SaltedPassword(_password, salt, iterations, salted);
        return salted;
    }

    /// <summary>Keeps what was derived.</summary>
    internal void Keep(byte[] salt, int iterations, byte[] salted) => (_salt, _iterations, _salted) = (salt, iterations, salted);
}
