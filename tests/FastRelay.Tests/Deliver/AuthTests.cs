using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using FastRelay.Routing;
using FastRelay.Smtp;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>A smarthost that wants to know who we are, on a real socket inside TLS.</summary>
public sealed class AuthTests : IDisposable
{
    private const string User = "re=lay,1";
    private const string Password = "open sesame";
    private static readonly X509Certificate2 s_certificate = DialTests.SelfSigned("127.0.0.1");
    private readonly ScriptedPeer _peer = new() { Certificate = s_certificate };
    private DeliverRig? _rig;

    public void Dispose()
    {
        _rig?.Dispose();
        _peer.Dispose();
    }

    private DeliverRig Send(TlsPolicy tls = TlsPolicy.Required, int messages = 1, Limits? limits = null)
    {
        Assert.True(NextHop.TryParse($"smtp:[127.0.0.1]:{_peer.Port}", out NextHop hop, out _));
        var login = new Credentials(User, Password, RandomNumberGenerator.GetBytes(32));
        _rig = new DeliverRig(_peer.Port, limits ?? new Limits(), TlsPolicy.Opportunistic, [s_certificate], new RouteRule("*", hop, tls, login));
        for (int i = 0; i < messages; i++)
        {
            _rig.Submit("a@client.test", "Subject: x\r\n\r\nbody\r\n", $"b{i}@far.test");
        }
        return _rig;
    }

    private string[] Offers(string mechanisms) => _peer.Offers = ["STARTTLS", "PIPELINING", "AUTH " + mechanisms];

    private static string Base64(string text) => Convert.ToBase64String(Encoding.ASCII.GetBytes(text));

    private string[] Said() => [.. _peer.Lines.Select(line => line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..])];

    [Fact]
    public void PLAIN_goes_in_one_line_and_the_mail_follows()
    {
        Offers("PLAIN LOGIN");
        _peer.Answer = static (line, _) => line.StartsWith("AUTH", StringComparison.Ordinal) ? "235 2.7.0 ok" : null;
        Send().UntilEmpty();
        Assert.Contains("AUTH PLAIN " + Base64($"\0{User}\0{Password}"), Said());
        Assert.True(Assert.Single(_peer.Messages).Secure);
    }

    [Fact]
    public void LOGIN_answers_its_two_questions()
    {
        Offers("LOGIN");
        _peer.Answer = static (line, _) => line == "AUTH LOGIN" ? "334 VXNlcm5hbWU6" : line == Base64(User) ? "334 UGFzc3dvcmQ6" : line == Base64(Password) ? "235 ok" : null;
        Send().UntilEmpty();
        Assert.Single(_peer.Messages);
    }

    [Fact]
    public void SCRAM_is_preferred_and_its_key_is_derived_once()
    {
        Offers("LOGIN PLAIN SCRAM-SHA-256");
        var server = new ScramHost(Password);
        _peer.Answer = server.Answer;
        // One message a connection, so that each has to authenticate.
        Send(messages: 3, limits: new Limits { MessagesPerConnection = 1, SendSessionsPerSite = 1 }).UntilEmpty();
        Assert.Equal(3, _peer.Messages.Count);
        Assert.Equal(3, server.Proved);
        Assert.Equal(3, server.Nonces.Distinct().Count());
        Assert.DoesNotContain(Said(), line => line.StartsWith("AUTH PLAIN", StringComparison.Ordinal));
        Assert.Equal("n,,n=re=3Dlay=2C1", server.Name);
    }

    [Fact]
    public void A_host_that_cannot_prove_that_it_knows_the_password_gets_no_mail()
    {
        Offers("SCRAM-SHA-256");
        _peer.Answer = new ScramHost("another password") { TakesAnything = true }.Answer;
        DeliverRig rig = Send();
        rig.Until(() => rig.Logged("event=site_backoff", "could not prove that it knows the password"));
        Assert.Empty(_peer.Messages);
    }

    [Fact]
    public void A_235_without_the_hosts_proof_is_not_believed()
    {
        Offers("SCRAM-SHA-256");
        _peer.Answer = static (line, _) => line.StartsWith("AUTH", StringComparison.Ordinal) ? "235 welcome" : null;
        DeliverRig rig = Send();
        rig.Until(() => rig.Logged("event=site_backoff", "could not prove"));
        Assert.Empty(_peer.Messages);
    }

    [Theory]
    [InlineData("not base64!")]
    [InlineData("cj1vdGhlcixzPWFhYWEsaT00MDk2")] // r=other,s=aaaa,i=4096
    [InlineData("OWN,s=YWJj,i=100")]
    [InlineData("OWN,s=YWJj,i=999999999")]
    [InlineData("OWN,s=,i=4096")]
    [InlineData("OWN,i=4096")]
    [InlineData("m=ext,OWN,s=YWJj,i=4096")]
    public void A_challenge_that_makes_no_sense_ends_the_attempt(string challenge)
    {
        Offers("SCRAM-SHA-256");
        _peer.Answer = (line, _) => !line.StartsWith("AUTH", StringComparison.Ordinal) ? null
            : "334 " + (challenge.Contains("OWN", StringComparison.Ordinal) ? Base64(challenge.Replace("OWN", "r=" + ScramHost.NonceOf(line) + "more", StringComparison.Ordinal)) : challenge);
        DeliverRig rig = Send();
        rig.Until(() => rig.Logged("event=site_backoff", "challenge to AUTH makes no sense"));
        Assert.Empty(_peer.Messages);
    }

    [Fact]
    public void A_wrong_password_bounces_nothing_and_is_not_tried_again_soon()
    {
        Offers("PLAIN");
        _peer.Answer = static (line, _) => line.StartsWith("AUTH", StringComparison.Ordinal) ? "535 5.7.8 wrong" : null;
        DeliverRig rig = Send(messages: 100);
        rig.Until(() => rig.Logged("event=site_backoff", "535", "refused our user"));
        rig.Until(() => rig.Deliverer.Sessions == 0);
        Assert.Equal((100, 0, 0), (rig.Queue.Ready, rig.Counters.Failed, rig.Counters.Deferred));
        Assert.InRange(Assert.Single(rig.Run(rig.Queue.Admin.BusiestSitesAsync(2))).GearMs, 3_000_000, 8_000_000);
        // One session asks first; the others would have been wrong as well, and locked the account.
        Assert.Single(Said(), line => line.StartsWith("AUTH", StringComparison.Ordinal));
        // Some hosts repeat what they were sent.
        Assert.DoesNotContain(rig.Output.Lines, line => line.Contains("5.7.8 wrong", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("XOAUTH2 CRAM-MD5", "offers no AUTH that we speak")]
    [InlineData(null, "offers no AUTH that we speak")]
    public void A_host_without_a_mechanism_of_ours_gets_no_mail(string? mechanisms, string reason)
    {
        _peer.Offers = mechanisms is null ? ["STARTTLS"] : ["STARTTLS", "AUTH " + mechanisms];
        DeliverRig rig = Send();
        rig.Until(() => rig.Logged("event=site_backoff", reason));
        Assert.Empty(_peer.Messages);
    }

    [Theory]
    [InlineData(TlsPolicy.None)]
    [InlineData(TlsPolicy.Opportunistic)]
    public void A_password_is_never_said_in_clear(TlsPolicy tls)
    {
        _peer.Offers = ["AUTH PLAIN LOGIN"];
        DeliverRig rig = Send(tls);
        rig.Until(() => rig.Logged("event=site_backoff", "only inside TLS"));
        Assert.DoesNotContain(Said(), line => line.StartsWith("AUTH", StringComparison.Ordinal));
        Assert.Empty(_peer.Messages);
    }

    [Fact]
    public void Implicit_TLS_comes_before_the_banner_and_verifies()
    {
        _peer.Implicit = true;
        _peer.Offers = ["PIPELINING", "AUTH PLAIN"];
        _peer.Answer = static (line, _) => line.StartsWith("AUTH", StringComparison.Ordinal) ? "235 ok" : null;
        Send(TlsPolicy.Implicit).UntilEmpty();
        Assert.True(Assert.Single(_peer.Messages).Secure);
        Assert.DoesNotContain("STARTTLS", Said());
    }

    [Fact]
    public void No_secret_is_in_the_log()
    {
        Offers("PLAIN");
        _peer.Answer = static (line, _) => line.StartsWith("AUTH", StringComparison.Ordinal) ? "535 5.7.8 wrong" : null;
        DeliverRig rig = Send();
        rig.Until(() => rig.Logged("event=site_backoff"));
        Assert.DoesNotContain(rig.Output.Lines, line => line.Contains("sesame", StringComparison.Ordinal) || line.Contains(Base64($"\0{User}\0{Password}"), StringComparison.Ordinal));
    }

    [Fact]
    public void The_longest_name_and_password_fit_in_a_line()
    {
        var login = new Credentials(new string('=', 100), new string('p', Credentials.BytesMax - 100), RandomNumberGenerator.GetBytes(32));
        Assert.False(SaslText.IsName(new string('u', 256)) || SaslText.IsName("a b") || SaslText.IsPassword("") || SaslText.IsPassword("caf\u00e9"));
        Span<byte> line = stackalloc byte[512];
        foreach (FastRelay.Smtp.AuthMechanisms mechanism in Enum.GetValues<FastRelay.Smtp.AuthMechanisms>())
        {
            var client = new FastRelay.Deliver.AuthClient();
            bool ours = mechanism is FastRelay.Smtp.AuthMechanisms.Plain or FastRelay.Smtp.AuthMechanisms.Login or FastRelay.Smtp.AuthMechanisms.ScramSha256;
            Assert.Equal(ours, client.Start(login, mechanism, secure: true) == FastRelay.Deliver.AuthStep.Write);
            if (ours)
            {
                Assert.Equal((byte)'\n', line[client.Write(line) - 1]);
            }
        }
    }
}
