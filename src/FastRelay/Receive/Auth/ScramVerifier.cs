using System.Globalization;
using System.Security.Cryptography;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// What is kept of a password: enough to check it, and to prove to a SCRAM client that we know it, but not to log in with
/// (RFC 5802 3, RFC 7677). Text form: <c>SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey</c>, the last three in base64.
/// </summary>
public sealed class ScramVerifier
{
    /// <summary>Octets of a new salt.</summary>
    public const int SaltBytes = 16;

    /// <summary>Iterations of a new verifier. RFC 7677 4 asks for 4,096 or more; a check costs a few ms, off the loop.</summary>
    public const int UsualIterations = 10_000;

    private const string Prefix = "SCRAM-SHA-256$";

    private readonly byte[] _salt;
    private readonly byte[] _storedKey;
    private readonly byte[] _serverKey;

    internal ScramVerifier(int iterations, byte[] salt, byte[] storedKey, byte[] serverKey)
    {
        Iterations = iterations;
        _salt = salt;
        _storedKey = storedKey;
        _serverKey = serverKey;
    }

    /// <summary>Rounds of PBKDF2.</summary>
    public int Iterations { get; }

    /// <summary>The salt.</summary>
    public ReadOnlySpan<byte> Salt => _salt;

    /// <summary>H(ClientKey).</summary>
    public ReadOnlySpan<byte> StoredKey => _storedKey;

    /// <summary>HMAC(SaltedPassword, "Server Key").</summary>
    public ReadOnlySpan<byte> ServerKey => _serverKey;

    /// <summary>Makes a verifier of a password. Costs a few ms.</summary>
    public static ScramVerifier Make(ReadOnlySpan<byte> password, ReadOnlySpan<byte> salt, int iterations)
    {
        Span<byte> salted = stackalloc byte[Scram.KeyBytes];
        Span<byte> client = stackalloc byte[Scram.KeyBytes];
        var stored = new byte[Scram.KeyBytes];
        var server = new byte[Scram.KeyBytes];
        Scram.SaltedPassword(password, salt, iterations, salted);
        Scram.ClientKey(salted, client);
        Scram.StoredKey(client, stored);
        Scram.ServerKey(salted, server);
        CryptographicOperations.ZeroMemory(salted);
        CryptographicOperations.ZeroMemory(client);
        return new ScramVerifier(iterations, salt.ToArray(), stored, server);
    }

    /// <summary>True when the password is the one. Costs a few ms, whatever the answer.</summary>
    public bool Matches(ReadOnlySpan<byte> password)
    {
        ScramVerifier made = Make(password, _salt, Iterations);
        return CryptographicOperations.FixedTimeEquals(made._storedKey, _storedKey);
    }

    /// <summary>Reads the text form.</summary>
    public static bool TryParse(string text, out ScramVerifier? verifier)
    {
        verifier = null;
        if (!text.StartsWith(Prefix, StringComparison.Ordinal))
        {
            return false;
        }
        string[] parts = text[Prefix.Length..].Split('$');
        string[] first = parts[0].Split(':');
        string[] keys = parts.Length == 2 ? parts[1].Split(':') : [];
        if (first.Length != 2 || keys.Length != 2
            || !int.TryParse(first[0], NumberStyles.None, CultureInfo.InvariantCulture, out int iterations)
            || !Scram.IsIterations(iterations)
            || FromBase64(first[1], Scram.SaltMax) is not { Length: > 0 } salt
            || FromBase64(keys[0], Scram.KeyBytes) is not { Length: Scram.KeyBytes } stored
            || FromBase64(keys[1], Scram.KeyBytes) is not { Length: Scram.KeyBytes } server)
        {
            return false;
        }
        verifier = new ScramVerifier(iterations, salt, stored, server);
        return true;
    }

    /// <summary>The text form.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Prefix}{Iterations}:{Convert.ToBase64String(_salt)}${Convert.ToBase64String(_storedKey)}:{Convert.ToBase64String(_serverKey)}");

    private static byte[]? FromBase64(string text, int bytesMax)
    {
        var into = new byte[bytesMax];
        return Convert.TryFromBase64String(text, into, out int written) ? into[..written] : null;
    }
}
