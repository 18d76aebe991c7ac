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
    private readonly Dictionary<string, ScramVerifier> _users = new(StringComparer.Ordinal);
    private readonly byte[] _secret;

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
    /// <param name="secret">32 octets from a cryptographic source: nonces and the salts of users that do not exist come from it.</param>
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
