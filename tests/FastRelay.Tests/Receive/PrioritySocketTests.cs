using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>How urgent a message is, and that the field which says so goes no further.</summary>
public sealed class PrioritySocketTests : IDisposable
{
    private const string Named = "127.66.2.1";
    private const string Row = "127.66.2.2";
    private const string Stranger = "127.66.2.3";

    private readonly RelayRig _rig = new("""
        [[listen]]
        address = "127.0.0.1:0"
        [[listen]]
        address = "127.0.0.1:0"
        priority = "low"
        submission = true
        [[relay_for]]
        networks = ["127.66.2.1"]
        tenant_header = true
        priority_header = true
        [[relay_for]]
        networks = ["127.66.2.2"]
        priority = "high"
        [[relay_for]]
        networks = ["127.66.2.4"]
        tenant = "bulk"
        [[relay_for]]
        domains = ["pass.test"]
        [[tenant]]
        name = "bulk"
        priority = "low"
        """);

    public void Dispose() => _rig.Dispose();

    private string Pass(string source, string content, int listener = 0)
    {
        using SmtpTalk talk = _rig.Talk(listener, source).Hello();
        return _rig.PassThrough(talk, content);
    }

    private int Accepted(string field) => _rig.Output.Lines.Count(line => line.Contains("event=accept", StringComparison.Ordinal) && line.Contains(field, StringComparison.Ordinal));

    [Fact]
    public void A_named_injector_names_priority_and_tenant_in_the_header_and_both_fields_are_cut_out()
    {
        Assert.Equal("Subject: x\r\n\r\nX-FastRelay-Priority: low\r\n",
            Pass(Named, "X-FastRelay-Tenant: acme\r\nX-FASTRELAY-PRIORITY: High\r\nSubject: x\r\n\r\nX-FastRelay-Priority: low"));
        _rig.WaitForLog("event=accept", "tenant=acme priority=high ");
        _rig.WaitForLog("event=delivery", "priority=high ");
        // Another word is cut out as well, and counts as none.
        Assert.Equal("Subject: y\r\n\r\nbody\r\n", Pass(Named, "Subject: y\r\nX-FastRelay-Priority:\r\n urgent\r\n\r\nbody"));
        Assert.Equal(1, Accepted("priority="));
        // The tenant that the header names has a priority, and the header's own counts more.
        Pass(Named, "X-FastRelay-Tenant: bulk\r\n\r\nbody");
        Assert.Equal(1, Accepted("tenant=bulk priority=low "));
        Pass(Named, "X-FastRelay-Tenant: bulk\r\nX-FastRelay-Priority: normal\r\n\r\nbody");
        Assert.Equal(2, Accepted("tenant=bulk "));
        Assert.Equal(1, Accepted("priority=low "));
    }

    [Fact]
    public void Rows_listeners_and_tenants_say_it_for_their_clients_and_others_fields_stay()
    {
        string content = "X-FastRelay-Priority: low\r\nSubject: x\r\n\r\nbody";
        Assert.Equal(content + "\r\n", Pass(Row, content));
        Assert.Equal(1, Accepted("priority=high "));
        Assert.Equal(content + "\r\n", Pass(Stranger, content));
        Assert.Equal(0, Accepted("priority=low "));
        Pass("127.66.2.4", "Subject: x\r\n\r\nbody");
        Assert.Equal(1, Accepted("tenant=bulk priority=low "));
        Pass(Row, "Subject: x\r\n\r\nbody", 1);
        Assert.Equal(2, Accepted("priority=high "));
        Pass(Stranger, "Subject: x\r\n\r\nbody", 1);
        Assert.Equal(2, Accepted("priority=low "));
    }

    [Fact]
    public void Chunks_may_cut_both_fields_anywhere()
    {
        string header = "X-FastRelay-Priority: low\r\nX-FastRelay-Tenant: t\r\nX-FastRelay: stays\r\n\r\n";
        for (int cut = 1; cut < header.Length; cut += 3)
        {
            string to = $"p{cut}@pass.test";
            using SmtpTalk talk = _rig.Talk(0, Named).Hello();
            Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@pass.test>"));
            Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
            talk.Send($"BDAT {cut}\r\n{header[..cut]}");
            Assert.StartsWith("250", talk.Read());
            talk.Send($"BDAT {header.Length - cut + 6} LAST\r\n{header[cut..]}body\r\n");
            Assert.StartsWith("250 2.0.0", talk.Read());
            Assert.Equal("X-FastRelay: stays\r\n\r\nbody\r\n", _rig.Arrived(to));
        }
        Assert.Equal((header.Length + 1) / 3, Accepted("tenant=t priority=low "));
    }
}
