using System.Security.Cryptography;
using FastRelay.EndToEnd.Rig;
using FastRelay.Receive;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>Whose mail a message is, and that the field which says so goes no further.</summary>
public sealed class TenantSocketTests : IDisposable
{
    private const string Named = "127.66.1.1";
    private const string Row = "127.66.1.2";
    private const string Plain = "127.66.1.3";
    private const string Stranger = "127.66.1.4";

    private readonly RelayRig _rig = new("""
        [[listen]]
        address = "127.0.0.1:0"
        [[listen]]
        address = "127.0.0.1:0"
        tenant = "door"
        tenant_header = true
        [[listen]]
        address = "127.0.0.1:0"
        submission = true
        [[relay_for]]
        networks = ["127.66.1.1"]
        tenant_header = true
        [[relay_for]]
        networks = ["127.66.1.2"]
        tenant = "row"
        [[relay_for]]
        networks = ["127.66.1.3"]
        domains = ["pass.test"]
        [[relay_for]]
        networks = ["127.66.1.5"]
        tenant = "sub"
        tenant_header = true
        """);

    public void Dispose() => _rig.Dispose();

    private string Pass(string source, string content, int listener = 0)
    {
        using SmtpTalk talk = _rig.Talk(listener, source).Hello();
        return _rig.PassThrough(talk, content);
    }

    [Fact]
    public void A_named_injector_names_the_tenant_in_the_header_and_the_field_is_cut_out()
    {
        Assert.Equal("Subject: x\r\n\r\nX-FastRelay-Tenant: body\r\n", Pass(Named, "X-FastRelay-Tenant: acme\r\nSubject: x\r\n\r\nX-FastRelay-Tenant: body"));
        _rig.WaitForLog("event=accept", "tenant=acme ");
        _rig.WaitForLog("event=delivery", "tenant=acme ");
        // A name that is none is cut out as well, and counts as none.
        Assert.Equal("Subject: y\r\n\r\nbody\r\n", Pass(Named, "Subject: y\r\nx-fastrelay-tenant: two words\r\n folded\r\n\r\nbody"));
        Assert.Single(_rig.Output.Lines, static line => line.Contains("event=accept", StringComparison.Ordinal) && line.Contains("tenant=", StringComparison.Ordinal));
    }

    [Fact]
    public void Chunks_may_cut_the_field_anywhere()
    {
        string header = "X-FastRelay-Tenant: chunky\r\nA: b\r\n\r\n";
        for (int cut = 1; cut < header.Length; cut += 3)
        {
            string to = $"u{cut}@pass.test";
            using SmtpTalk talk = _rig.Talk(0, Named).Hello();
            Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@pass.test>"));
            Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
            talk.Send($"BDAT {cut}\r\n{header[..cut]}");
            Assert.StartsWith("250", talk.Read());
            talk.Send($"BDAT {header.Length - cut + 6} LAST\r\n{header[cut..]}body\r\n");
            Assert.StartsWith("250 2.0.0", talk.Read());
            Assert.Equal("A: b\r\n\r\nbody\r\n", _rig.Arrived(to));
        }
        Assert.Equal((header.Length + 1) / 3, _rig.Output.Lines.Count(static line => line.Contains("event=accept", StringComparison.Ordinal) && line.Contains("tenant=chunky ", StringComparison.Ordinal)));
    }

    [Fact]
    public void From_others_the_field_is_a_field_like_any_other()
    {
        string content = "X-FastRelay-Tenant: acme\r\nSubject: x\r\n\r\nbody\r\n";
        foreach (string source in new[] { Row, Plain, Stranger })
        {
            Assert.Equal(content, Pass(source, content[..^2]));
        }
        Assert.DoesNotContain(_rig.Output.Lines, static line => line.Contains("tenant=acme", StringComparison.Ordinal));
        Assert.Single(_rig.Output.Lines, static line => line.Contains("event=accept", StringComparison.Ordinal) && line.Contains("tenant=row ", StringComparison.Ordinal));
    }

    [Fact]
    public void A_listener_speaks_for_its_clients_and_believes_those_who_may_relay()
    {
        Pass(Plain, "Subject: x\r\n\r\nbody", 1);
        _rig.WaitForLog("event=accept", "tenant=door ");
        // A row says more than the listener, and the message more than the row.
        Pass(Row, "Subject: x\r\n\r\nbody", 1);
        _rig.WaitForLog("event=accept", "tenant=row ");
        Assert.Equal("Subject: x\r\n\r\nbody\r\n", Pass(Row, "X-FastRelay-Tenant: said\r\nSubject: x\r\n\r\nbody", 1));
        _rig.WaitForLog("event=accept", "tenant=said ");
        Assert.StartsWith("X-FastRelay-Tenant: strange\r\n", Pass(Stranger, "X-FastRelay-Tenant: strange\r\nSubject: x\r\n\r\nbody", 1));
        Assert.DoesNotContain(_rig.Output.Lines, static line => line.Contains("tenant=strange", StringComparison.Ordinal));
    }

    [Fact]
    public void Fields_go_in_and_out_of_the_same_header()
    {
        string passed = Pass("127.66.1.5", "X-FastRelay-Tenant: acme\r\nSubject: x\r\n\r\nbody", 2);
        Assert.DoesNotContain("Tenant", passed, StringComparison.Ordinal);
        Assert.Contains("\r\nDate: ", passed);
        Assert.Contains("\r\nMessage-ID: ", passed, StringComparison.OrdinalIgnoreCase);
        Assert.EndsWith("\r\n\r\nbody\r\n", passed, StringComparison.Ordinal);
        Assert.StartsWith("Subject: x\r\n", passed, StringComparison.Ordinal);
        _rig.WaitForLog("event=accept", "tenant=acme ");
    }

    [Fact]
    public void What_is_cut_out_counts_for_the_size_of_the_message()
    {
        using var rig = new RelayRig("""
            [[relay_for]]
            networks = ["127.0.0.0/8"]
            tenant_header = true
            [limits]
            message_bytes = "1KiB"
            """);
        foreach ((int octets, string reply) in new[] { (1024 - 22, "250 2.0.0"), (1024 - 21, "552 5.3.4") })
        {
            using SmtpTalk talk = rig.Talk().Hello();
            talk.Say("MAIL FROM:<sender@pass.test>");
            talk.Say("RCPT TO:<u@pass.test>");
            talk.Say("DATA");
            talk.Send("X-FastRelay-Tenant: " + new string('t', octets) + "\r\n.\r\n");
            Assert.StartsWith(reply, talk.Read());
        }
    }
}
