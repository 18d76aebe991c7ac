using System.Security.Cryptography;
using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// The users that may authenticate, by name; read-only once made, and replaced as a whole when the file changes. One
/// line a user, <c>name:verifier</c>; lines that are empty or begin with <c>#</c> are skipped.
/// </summary>
public sealed class UserTable
{
    /// <summary>Begins the line with the secret of a file, to which 32 octets in base64 belong; other lines with # in front are comments.</summary>
    public const string SecretMark = "#secret:";

    private readonly Dictionary<string, ScramVerifier> _users = new(StringComparer.Ordinal);
    private byte[] _secret;

    private UserTable(byte[] secret)
    {
        _secret = secret;
        Nonces = new NonceSource(secret);
    }

    /// <summary>How many.</summary>
    public int Count => _users.Count;

    /// <summary>The server's part of nonces.</summary>
    internal NonceSource Nonces { get; }

    /// <summary>Reads the text of a users file.</summary>
    /// <param name="text">The file.</param>
    /// <param name="secret">32 octets from a cryptographic source: nonces come from it, and the salts of users that do not exist when the file has no secret of its own.</param>
    /// <param name="wrong">What is wrong, with its line number; empty when all is well.</param>
    /// <returns>The table; null when something is wrong.</returns>
    public static UserTable? Read(string text, byte[] secret, out string wrong)
    {
        var table = new UserTable(secret);
        int number = 0;
        foreach (string raw in text.Split('\n'))
        {
            number++;
            string line = raw.Trim();
            if (line.StartsWith(SecretMark, StringComparison.Ordinal) && !table.TryKeepSecret(line[SecretMark.Length..]))
            {
                wrong = $"line {number}: must be {SecretMark} and 32 octets in base64, as \"fastrelay user add\" writes it";
                return null;
            }
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0 || !IsName(line[..colon]) || !ScramVerifier.TryParse(line[(colon + 1)..], out ScramVerifier? verifier))
            {
                wrong = $"line {number}: must be name:SCRAM-SHA-256$..., as \"fastrelay user add\" writes it";
                return null;
            }
            if (!table._users.TryAdd(line[..colon], verifier!))
            {
                wrong = $"line {number}: \"{line[..colon]}\" stands twice";
                return null;
            }
        }
        wrong = "";
        return table;
    }

    /// <summary>True for what may be a user's name: printable ASCII without a colon or a space, 1 to 255 characters.</summary>
    public static bool IsName(string name) =>
        SaslText.IsName(name) && !name.Contains(':', StringComparison.Ordinal) && name[0] != '#';

    /// <summary>True when there is a user of that name.</summary>
    public bool Has(string name) => _users.ContainsKey(name);

    // Salts of users that do not exist must stay as they are when the file is read again: those of real ones do.
    private bool TryKeepSecret(string base64)
    {
        var secret = new byte[32];
        bool good = Convert.TryFromBase64String(base64, secret, out int written) && written == secret.Length;
        _secret = good ? secret : _secret;
        return good;
    }

    /// <summary>Finds a user.</summary>
    /// <param name="name">As the client gave it.</param>
    /// <param name="known">The name, when there is such a user; else null.</param>
    /// <returns>Of a user that does not exist a verifier that nothing matches, always the same for one name: nobody learns by it who exists.</returns>
    public ScramVerifier Find(ReadOnlySpan<byte> name, out string? known)
    {
        string text = Encoding.Latin1.GetString(name);
        if (_users.TryGetValue(text, out ScramVerifier? verifier))
        {
            known = text;
            return verifier;
        }
        known = null;
        byte[] salt = HMACSHA256.HashData(_secret, name)[..ScramVerifier.SaltBytes];
        byte[] nothing = HMACSHA256.HashData(_secret, salt);
        return new ScramVerifier(ScramVerifier.UsualIterations, salt, nothing, nothing);
    }
}
