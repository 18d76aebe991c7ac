using System.Security.Cryptography;
using System.Text;

namespace FastRelay.Tests.Receive.Auth;

/// <summary>The client's side of SCRAM-SHA-256 by the letter of RFC 5802, to test the server's with.</summary>
internal sealed class ScramClient(string name, string password, string nonce = "rOprNGfwEbeRWgbNEkqO", string header = "n,,")
{
    private readonly string _bare = $"n={name.Replace("=", "=3D", StringComparison.Ordinal).Replace(",", "=2C", StringComparison.Ordinal)},r={nonce}";
    private byte[] _salted = [];
    private string _authMessage = "";

    public string First => Base64(header + _bare);

    /// <summary>Answers the server's first message.</summary>
    public string Final(string challenge, string? binding = null, string? otherNonce = null)
    {
        string server = Encoding.ASCII.GetString(Convert.FromBase64String(challenge));
        Dictionary<char, string> parts = server.Split(',').ToDictionary(p => p[0], p => p[2..]);
        Assert.StartsWith(nonce, parts['r'], StringComparison.Ordinal);
        Assert.True(parts['r'].Length > nonce.Length + 16);
        _salted = Rfc2898DeriveBytes.Pbkdf2(password, Convert.FromBase64String(parts['s']), int.Parse(parts['i'], System.Globalization.CultureInfo.InvariantCulture), HashAlgorithmName.SHA256, 32);
        byte[] clientKey = HMACSHA256.HashData(_salted, "Client Key"u8);
        string withoutProof = $"c={Base64(binding ?? header)},r={otherNonce ?? parts['r']}";
        _authMessage = $"{_bare},{server},{withoutProof}";
        byte[] signature = HMACSHA256.HashData(SHA256.HashData(clientKey), Encoding.ASCII.GetBytes(_authMessage));
        byte[] proof = [.. clientKey.Zip(signature, (a, b) => (byte)(a ^ b))];
        return Base64($"{withoutProof},p={Convert.ToBase64String(proof)}");
    }

    /// <summary>True when the server knows the password too.</summary>
    public bool Trusts(string challenge)
    {
        byte[] serverKey = HMACSHA256.HashData(_salted, "Server Key"u8);
        string expected = "v=" + Convert.ToBase64String(HMACSHA256.HashData(serverKey, Encoding.ASCII.GetBytes(_authMessage)));
        return Encoding.ASCII.GetString(Convert.FromBase64String(challenge)) == expected;
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.ASCII.GetBytes(text));
}
