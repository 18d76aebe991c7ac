using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Deliver;
using FastRelay.Routing;
using FastRelay.Smtp;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>Certificates of ours that hosts ask for: shown by the route that names them, and by no other, resumed sessions included.</summary>
public sealed class ClientCertificateTests : IDisposable
{
    private static readonly Limits s_limits = new() { MessagesPerConnection = 1, SendSessionsPerSite = 1 };
    private readonly ScriptedPeer _peer = new() { Offers = ["PIPELINING", "STARTTLS"], Asks = true };
    private readonly string _domain = $"d{RandomNumberGenerator.GetHexString(8, lowercase: true)}.test";
    private readonly X509Certificate2 _server;
    private readonly X509Certificate2 _one = DialTests.SelfSigned("one.test");
    private readonly X509Certificate2 _two = DialTests.SelfSigned("two.test");

    public ClientCertificateTests() => _peer.Certificate = _server = DialTests.SelfSigned("mx0." + _domain);

    public void Dispose()
    {
        _peer.Dispose();
        _server.Dispose();
        _one.Dispose();
        _two.Dispose();
    }

    [Theory]
    [InlineData(TlsPolicy.Required, false)]
    [InlineData(TlsPolicy.Verified, false)]
    [InlineData(TlsPolicy.Implicit, true)]
    public void A_host_that_asks_is_shown_the_certificate_of_its_route(TlsPolicy policy, bool isImplicit)
    {
        _peer.Implicit = isImplicit;
        _peer.Demands = true;
        using DeliverRig rig = Start(Certificate("one", _one), policy);
        Send(rig, 2);
        Assert.Equal(["CN=one.test", "CN=one.test"], _peer.Shown);
        Assert.All(_peer.Messages, message => Assert.True(message.Secure));
    }

    [Fact]
    public void A_host_that_does_not_ask_is_shown_nothing()
    {
        _peer.Asks = false;
        using DeliverRig rig = Start(Certificate("one", _one));
        Send(rig, 1);
        Assert.Equal([""], _peer.Shown);
    }

    [Fact]
    public void A_session_that_was_made_with_a_certificate_is_resumed_with_that_one_only()
    {
        using (DeliverRig one = Start(Certificate("one", _one)))
        {
            Send(one, 2);
        }
        using (DeliverRig two = Start(Certificate("two", _two)))
        {
            Send(two, 2);
        }
        using (DeliverRig nobody = Start(null))
        {
            Send(nobody, 2);
        }
        using (DeliverRig again = Start(Certificate("one", _one)))
        {
            Send(again, 1);
        }
        // Whether the last one finds its session still is the runtime's to say: it forgets contexts that are long unused.
        Assert.Equal([false, true, false, true, false, true], _peer.Resumed.Take(6));
        Assert.Equal(["CN=one.test", "CN=one.test", "CN=two.test", "CN=two.test", "", "", "CN=one.test"], _peer.Shown);
    }

    [Fact]
    public void A_file_that_is_renewed_is_shown_from_the_next_handshake_on()
    {
        ClientCertificate own = Certificate("one", _one);
        using DeliverRig rig = Start(own);
        Send(rig, 1);
        own.Renew(Certificate("one", _two));
        Send(rig, 2);
        Assert.Equal(["CN=one.test", "CN=two.test", "CN=two.test"], _peer.Shown);
        Assert.Equal([false, false, true], _peer.Resumed);
    }

    [Fact]
    public void A_host_that_closes_when_it_was_shown_none_defers_mail_and_gets_it_in_clear_by_no_policy()
    {
        _peer.Demands = true;
        using DeliverRig rig = Start(null, TlsPolicy.Opportunistic);
        rig.Submit("a@client.test", "x\r\n", "b@" + _domain);
        rig.Until(() => rig.Logged("event=site_backoff"));
        // Without an alert nobody has said that it is about TLS: a line that breaks looks the same.
        Assert.True(rig.Logged("event=connect", "stage=ehlo", "the host closed or lost the connection"), string.Join('\n', rig.Output.Lines));
        Assert.Equal(1, rig.Queue.Ready);
        Assert.Empty(_peer.Messages);
        Assert.False(rig.Logged("event=tls_fallback"));
    }

    [Theory]
    [InlineData(StartTlsUse.Always)]
    [InlineData(StartTlsUse.Implicit)]
    public void An_alert_before_the_first_word_inside_TLS_is_a_handshake_that_failed_and_one_later_is_not(StartTlsUse use)
    {
        var machine = new SendMachine("relay.test"u8.ToArray(), 1);
        byte[] into = new byte[CommandWriter.CommandBytes];
        SendStep Hear(string reply)
        {
            SendStep step = machine.Receive(System.Text.Encoding.ASCII.GetBytes(reply + "\r\n"), out _);
            return step == SendStep.Write && machine.Write(into, default, default) > 0 ? SendStep.Read : step;
        }
        void Shake()
        {
            SendStep step = machine.Start(use);
            step = use == StartTlsUse.Implicit ? step : Hear("220 mx") == SendStep.Read && Hear("250-mx\r\n250 STARTTLS") == SendStep.Read ? Hear("220 go") : step;
            Assert.Equal(SendStep.StartTls, step);
            Assert.False(machine.IsTlsUnproved);
            step = machine.TlsStarted();
            Assert.True(machine.IsTlsUnproved);
            Assert.True(step == SendStep.Read || machine.Write(into, default, default) > 0);
        }
        Shake();
        Assert.Equal(SendStep.Closed, machine.TlsFailed("certificate required"u8.ToArray()));
        Assert.Equal((OutcomeCause.TlsFailed, SmtpStage.StartTls), (machine.Failure.Cause, machine.Stage));
        Shake();
        if (use == StartTlsUse.Implicit)
        {
            Assert.Equal(SendStep.Read, Hear("220 mx"));
        }
        Assert.Equal(SendStep.Ready, Hear("250 mx"));
        Assert.False(machine.IsTlsUnproved);
    }

    [Theory]
    [InlineData("error:0A00045C:SSL routines::tlsv13 alert certificate required", "tlsv13 alert certificate required: the host wants a certificate of ours (client_certificate of its route)")]
    [InlineData("error:0A000418:SSL routines::tlsv1 alert unknown ca", "tlsv1 alert unknown ca")]
    [InlineData("the certificate is invalid: UntrustedRoot", "the certificate is invalid: UntrustedRoot: its authority is not one that is trusted (tls.ca)")]
    [InlineData("the peer reset the connection", "the peer reset the connection")]
    public void The_reason_of_a_handshake_that_failed_is_in_words(string reason, string words) => Assert.Equal(words, FailureText.OfTls(reason));

    [Fact]
    public void An_mx_route_shows_its_certificate_and_has_connections_of_its_own()
    {
        ClientCertificate own = Certificate("/etc/a b%.crt", _one);
        using var rig = new DeliverRig(_peer.Port, s_limits, route: new RouteRule(_domain, NextHop.Mx, TlsPolicy.Required) { OwnTls = true, Certificate = own });
        rig.Domain(_domain, "127.0.0.1");
        rig.Domain("other." + _domain, "127.0.0.1");
        rig.Dns.Mx("other." + _domain, $"10 mx0.{_domain}");
        Send(rig, 1);
        rig.Submit("a@client.test", "x\r\n", "b@other." + _domain);
        rig.UntilEmpty();
        Assert.Equal(["CN=one.test", ""], _peer.Shown);
        Assert.Equal($"mx0.{_domain} cert=/etc/a%0020b%0025.crt tls=required", rig.Run(rig.Queue.Explainer.OfDomainAsync(_domain)).Plan.SiteKey);
    }

    private static ClientCertificate Certificate(string file, X509Certificate2 certificate) =>
        new(file, SslStreamCertificateContext.Create(certificate, null, offline: true));

    private DeliverRig Start(ClientCertificate? own, TlsPolicy policy = TlsPolicy.Required)
    {
        Assert.True(NextHop.TryParse($"smtp:[mx0.{_domain}]:{_peer.Port}", out NextHop hop, out string error), error);
        var rig = new DeliverRig(_peer.Port, s_limits, authorities: [_server], route: new RouteRule("*", hop, policy) { OwnTls = true, Certificate = own });
        rig.Domain(_domain, "127.0.0.1");
        return rig;
    }

    private void Send(DeliverRig rig, int messages)
    {
        for (int i = 0; i < messages; i++)
        {
            rig.Submit("a@client.test", "x\r\n", "b@" + _domain);
            rig.UntilEmpty();
        }
    }
}
