using System.Text;
using FastRelay.Receive;

namespace FastRelay.Tests.Receive.Auth;

public class AuthExchangeTests
{
    private static readonly UserTable s_users = ScramTests.Users(("alice", "wonder land"), ("o,d=d", "x"));

    [Theory]
    [InlineData("\0alice\0wonder land", "alice", true)]
    [InlineData("alice\0alice\0wonder land", "alice", true)]
    [InlineData("\0alice\0wonderland", "alice", false)]
    [InlineData("\0bob\0wonder land", null, false)]
    [InlineData("\0Alice\0wonder land", null, false)]
    public void PLAIN_leaves_a_password_to_check(string message, string? user, bool matches)
    {
        foreach (bool initial in new[] { true, false })
        {
            var exchange = new AuthExchange(s_users);
            string response = Base64(message);
            AuthVerdict verdict = exchange.Begin(Bytes(initial ? $"plain {response}" : "PLAIN"));
            if (!initial)
            {
                Assert.Equal(AuthVerdict.Challenge, verdict);
                Assert.True(exchange.Challenge.IsEmpty);
                verdict = exchange.Continue(Bytes(response));
            }
            Assert.Equal(AuthVerdict.CheckPassword, verdict);
            Assert.Equal(user, exchange.User);
            Assert.Equal(matches, exchange.Verifier.Matches(exchange.Password));
            exchange.Forget();
            Assert.True(exchange.Password.IndexOfAnyExcept((byte)0) < 0);
        }
    }

    [Theory]
    [InlineData("bob\0alice\0wonder land", (int)AuthVerdict.Refused)]
    [InlineData("alice", (int)AuthVerdict.Malformed)]
    [InlineData("\0alice", (int)AuthVerdict.Malformed)]
    [InlineData("\0\0x", (int)AuthVerdict.Malformed)]
    [InlineData("\0alice\0", (int)AuthVerdict.Malformed)]
    [InlineData("\0alice\0wonder\0land", (int)AuthVerdict.Malformed)]
    [InlineData("", (int)AuthVerdict.Malformed)]
    public void PLAIN_that_is_none_is_told(string message, int verdict) =>
        Assert.Equal((AuthVerdict)verdict, new AuthExchange(s_users).Begin(Bytes($"PLAIN {(message.Length == 0 ? "=" : Base64(message))}")));

    [Theory]
    [InlineData("PLAIN not*base64")]
    [InlineData("PLAIN AAA")]
    [InlineData("PLAIN AA AA")]
    [InlineData("LOGIN =")]
    [InlineData("SCRAM-SHA-256 =")]
    [InlineData("SCRAM-SHA-256 bg==")]
    public void What_cannot_be_decoded_is_malformed(string argument) =>
        Assert.Equal(AuthVerdict.Malformed, new AuthExchange(s_users).Begin(Bytes(argument)));

    [Theory]
    [InlineData("CRAM-MD5")]
    [InlineData("XOAUTH2 AAAA")]
    [InlineData("SCRAM-SHA-256-PLUS")]
    [InlineData("PLAINX")]
    public void Other_mechanisms_are_unknown(string argument) =>
        Assert.Equal(AuthVerdict.UnknownMechanism, new AuthExchange(s_users).Begin(Bytes(argument)));

    [Fact]
    public void LOGIN_asks_for_name_and_password()
    {
        foreach (bool initial in new[] { true, false })
        {
            var exchange = new AuthExchange(s_users);
            AuthVerdict verdict = exchange.Begin(Bytes(initial ? "login " + Base64("alice") : "LOGIN"));
            if (!initial)
            {
                Assert.Equal("VXNlcm5hbWU6", Encoding.ASCII.GetString(exchange.Challenge));
                verdict = exchange.Continue(Bytes(Base64("alice")));
            }
            Assert.Equal(AuthVerdict.Challenge, verdict);
            Assert.Equal("UGFzc3dvcmQ6", Encoding.ASCII.GetString(exchange.Challenge));
            Assert.Equal(AuthVerdict.CheckPassword, exchange.Continue(Bytes(Base64("wonder land"))));
            Assert.True(exchange.Verifier.Matches(exchange.Password));
            Assert.Equal("alice", exchange.User);
        }
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("LOGIN")]
    [InlineData("SCRAM-SHA-256")]
    public void An_asterisk_cancels(string mechanism)
    {
        var exchange = new AuthExchange(s_users);
        Assert.Equal(AuthVerdict.Challenge, exchange.Begin(Bytes(mechanism)));
        Assert.Equal(AuthVerdict.Cancelled, exchange.Continue("*"u8));
    }

    [Theory]
    [InlineData("alice", "wonder land", "n,,")]
    [InlineData("alice", "wonder land", "y,,")]
    [InlineData("alice", "wonder land", "n,a=alice,")]
    [InlineData("o,d=d", "x", "n,,")]
    public void SCRAM_proves_both_sides(string name, string password, string header)
    {
        var client = new ScramClient(name, password, header: header);
        var exchange = new AuthExchange(s_users);
        Assert.Equal(AuthVerdict.Challenge, exchange.Begin(Bytes("SCRAM-SHA-256")));
        Assert.Equal(AuthVerdict.Challenge, exchange.Continue(Bytes(client.First)));
        Assert.Equal(AuthVerdict.Challenge, exchange.Continue(Bytes(client.Final(Encoding.ASCII.GetString(exchange.Challenge)))));
        Assert.True(client.Trusts(Encoding.ASCII.GetString(exchange.Challenge)));
        Assert.Equal(AuthVerdict.Accepted, exchange.Continue(default));
        Assert.Equal(name, exchange.User);
    }

    [Theory]
    [InlineData("alice", "wrong", null, null)]
    [InlineData("nobody", "wonder land", null, null)]
    [InlineData("alice", "wonder land", "y,,", null)]
    [InlineData("alice", "wonder land", null, "rOprNGfwEbeRWgbNEkqO")]
    public void SCRAM_refuses_a_wrong_proof_binding_or_nonce(string name, string password, string? binding, string? nonce)
    {
        var client = new ScramClient(name, password);
        var exchange = new AuthExchange(s_users);
        Assert.Equal(AuthVerdict.Challenge, exchange.Begin(Bytes("SCRAM-SHA-256 " + client.First)));
        Assert.Equal(AuthVerdict.Refused, exchange.Continue(Bytes(client.Final(Encoding.ASCII.GetString(exchange.Challenge), binding, nonce))));
    }

    [Theory]
    [InlineData("p=tls-unique,,n=alice,r=abc")]
    [InlineData("n,a=bob,n=alice,r=abc")]
    [InlineData("n,,m=x,n=alice,r=abc")]
    [InlineData("n,,n=,r=abc")]
    [InlineData("n,,n=alice,r=")]
    [InlineData("n,,n=al=ice,r=abc")]
    [InlineData("n,,n=alice=,r=abc")]
    [InlineData("n,,r=abc,n=alice")]
    [InlineData("n,n=alice,r=abc")]
    [InlineData("x,,n=alice,r=abc")]
    public void SCRAM_that_is_none_is_malformed(string first) =>
        Assert.Equal(AuthVerdict.Malformed, new AuthExchange(s_users).Begin(Bytes("SCRAM-SHA-256 " + Base64(first))));

    [Fact]
    public void Random_lines_never_authenticate_or_throw()
    {
        var random = new Random(7);
        string[] pieces = ["n,,", "n=alice", ",r=abc", "\0", "alice", "wonder", "c=biws", ",p=", "=2C", "y,", "a=", "=", "AAAA"];
        for (int i = 0; i < 20_000; i++)
        {
            var exchange = new AuthExchange(s_users);
            AuthVerdict verdict = exchange.Begin(Bytes(random.Next(3) switch { 0 => "PLAIN", 1 => "LOGIN", _ => "SCRAM-SHA-256" }));
            for (int line = 0; line < 4 && verdict == AuthVerdict.Challenge; line++)
            {
                string text = string.Concat(Enumerable.Range(0, random.Next(8)).Select(_ => pieces[random.Next(pieces.Length)]));
                verdict = exchange.Continue(Bytes(random.Next(4) == 0 ? text : Base64(text)));
            }
            Assert.NotEqual(AuthVerdict.Accepted, verdict);
        }
    }

    private static byte[] Bytes(string text) => Encoding.ASCII.GetBytes(text);

    private static string Base64(string text) => Convert.ToBase64String(Encoding.Latin1.GetBytes(text));
}
