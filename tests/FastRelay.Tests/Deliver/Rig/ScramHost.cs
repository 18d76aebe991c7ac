using System.Security.Cryptography;
using System.Text;

namespace FastRelay.Tests.Deliver.Rig;

/// <summary>The server's side of SCRAM-SHA-256 by the letter of RFC 5802, to test the client's with.</summary>
internal sealed class ScramHost(string password)
{
    private const int Iterations = 4096;
    private readonly byte[] _salt = [1, 2, 3, 4, 5, 6, 7, 8];
    private string _bare = "";
    private string _first = "";
    private string _nonce = "";
    private bool _final;

    /// <summary>Lets in whoever comes.</summary>
    public bool TakesAnything { get; init; }

    public int Proved { get; private set; }

    public string Name { get; private set; } = "";

    public List<string> Nonces { get; } = [];

    public static string NonceOf(string command)
    {
        string text = Encoding.ASCII.GetString(Convert.FromBase64String(command.Split(' ')[^1]));
        return text[(text.IndexOf(",r=", StringComparison.Ordinal) + 3)..];
    }

    public string? Answer(string line, int connection)
    {
        if (line.StartsWith("AUTH SCRAM-SHA-256 ", StringComparison.Ordinal))
        {
            string message = Encoding.ASCII.GetString(Convert.FromBase64String(line.Split(' ')[2]));
            Name = message[..message.LastIndexOf(',')];
            _bare = message[3..];
            Nonces.Add(NonceOf(line));
            _nonce = NonceOf(line) + "server";
            _first = $"r={_nonce},s={Convert.ToBase64String(_salt)},i={Iterations}";
            _final = false;
            return "334 " + Base64(_first);
        }
        if (line.Length == 0 && _final)
        {
            Proved++;
            return "235 2.7.0 welcome";
        }
        string? text = TryText(line);
        if (text is null || !text.StartsWith("c=", StringComparison.Ordinal))
        {
            return null;
        }
        int proofAt = text.LastIndexOf(",p=", StringComparison.Ordinal);
        Assert.Equal($"c=biws,r={_nonce}", text[..proofAt]);
        byte[] authMessage = Encoding.ASCII.GetBytes($"{_bare},{_first},{text[..proofAt]}");
        byte[] salted = Rfc2898DeriveBytes.Pbkdf2(password, _salt, Iterations, HashAlgorithmName.SHA256, 32);
        byte[] stored = SHA256.HashData(HMACSHA256.HashData(salted, "Client Key"u8));
        byte[] signature = HMACSHA256.HashData(stored, authMessage);
        byte[] clientKey = [.. Convert.FromBase64String(text[(proofAt + 3)..]).Zip(signature, (a, b) => (byte)(a ^ b))];
        if (!TakesAnything && !SHA256.HashData(clientKey).SequenceEqual(stored))
        {
            return "535 5.7.8 wrong";
        }
        _final = true;
        return "334 " + Base64("v=" + Convert.ToBase64String(HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), authMessage)));
    }

    private static string? TryText(string line)
    {
        var into = new byte[1024];
        return line.Length > 0 && Convert.TryFromBase64String(line, into, out int written) ? Encoding.ASCII.GetString(into, 0, written) : null;
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.ASCII.GetBytes(text));
}
