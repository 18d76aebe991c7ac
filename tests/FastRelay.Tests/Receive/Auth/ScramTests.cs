using System.Security.Cryptography;
using System.Text;
using FastRelay.Receive;
using FastRelay.Smtp;

namespace FastRelay.Tests.Receive.Auth;

public class ScramTests
{
    private static readonly byte[] s_secret = new byte[32];

    internal static UserTable Users(params (string Name, string Password)[] users)
    {
        string text = string.Concat(users.Select(u => $"{u.Name}:{ScramVerifier.Make(Encoding.ASCII.GetBytes(u.Password), "0123456789abcdef"u8, 4096)}\n"));
        return UserTable.Read(text, s_secret, out string wrong) ?? throw new InvalidOperationException(wrong);
    }

    [Fact]
    public void The_example_of_RFC_7677_proves_itself_against_a_verifier_of_ours()
    {
        ScramVerifier verifier = ScramVerifier.Make("pencil"u8, Convert.FromBase64String("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
        const string message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        byte[] signature = HMACSHA256.HashData(verifier.StoredKey, Encoding.ASCII.GetBytes(message));
        byte[] proof = Convert.FromBase64String("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        byte[] clientKey = [.. signature.Zip(proof, (a, b) => (byte)(a ^ b))];
        Assert.Equal(verifier.StoredKey.ToArray(), SHA256.HashData(clientKey));
        Assert.Equal("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", Convert.ToBase64String(HMACSHA256.HashData(verifier.ServerKey, Encoding.ASCII.GetBytes(message))));
    }

    [Fact]
    public void A_verifier_survives_its_text_and_knows_its_password_only()
    {
        ScramVerifier made = ScramVerifier.Make("correct horse"u8, "0123456789abcdef"u8, 4096);
        Assert.True(ScramVerifier.TryParse(made.ToString(), out ScramVerifier? read));
        Assert.Equal(made.ToString(), read!.ToString());
        Assert.True(read.Matches("correct horse"u8));
        Assert.False(read.Matches("correct horsf"u8));
        Assert.False(read.Matches(""u8));
        Assert.DoesNotContain("correct", made.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("SCRAM-SHA-256$")]
    [InlineData("SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$YWJj:YWJj")]
    [InlineData("SCRAM-SHA-256$4095:QSXCR+Q6sek8bf92$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("SCRAM-SHA-256$2000001:QSXCR+Q6sek8bf92$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("SCRAM-SHA-256$4096:$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$AAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("SCRAM-SHA-256$4096:QSXCR+Q6sek8bf92$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=$x")]
    public void What_is_no_verifier_is_told(string text) => Assert.False(ScramVerifier.TryParse(text, out _));

    [Theory]
    [InlineData("alice", "line 1")]
    [InlineData("\n# note\nalice:secret", "line 3")]
    [InlineData("a b:SCRAM", "line 1")]
    [InlineData(":SCRAM", "line 1")]
    public void What_is_wrong_in_a_users_file_is_named_by_its_line(string text, string where)
    {
        Assert.Null(UserTable.Read(text, s_secret, out string wrong));
        Assert.StartsWith(where, wrong, StringComparison.Ordinal);
    }

    [Fact]
    public void A_user_twice_in_a_file_is_told()
    {
        string line = $"alice:{ScramVerifier.Make("x"u8, "0123456789abcdef"u8, 4096)}\n";
        Assert.Null(UserTable.Read(line + line, s_secret, out string wrong));
        Assert.Contains("twice", wrong, StringComparison.Ordinal);
    }

    [Fact]
    public void A_user_that_does_not_exist_always_has_the_same_salt_and_no_password()
    {
        UserTable users = Users(("alice", "a"));
        ScramVerifier first = users.Find("nobody"u8, out string? known);
        Assert.Null(known);
        Assert.Equal(first.Salt.ToArray(), users.Find("nobody"u8, out _).Salt.ToArray());
        Assert.NotEqual(first.Salt.ToArray(), users.Find("anybody"u8, out _).Salt.ToArray());
        Assert.False(first.Matches(""u8));
    }

    [Fact]
    public void Nonces_differ()
    {
        UserTable users = Users(("alice", "a"));
        var seen = new HashSet<string>();
        byte[] nonce = new byte[NonceSource.NonceBytes];
        for (int i = 0; i < 1000; i++)
        {
            users.Nonces.Write(nonce);
            Assert.DoesNotContain((byte)',', nonce);
            Assert.True(seen.Add(Encoding.ASCII.GetString(nonce)));
        }
    }
}
