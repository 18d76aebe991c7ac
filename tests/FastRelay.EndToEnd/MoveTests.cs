using System.Net;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>The operator of the published binary sends queued mail to another next hop, and stops one tenant's.</summary>
public sealed class MoveTests : IDisposable
{
    private readonly IPEndPoint _dead = new(Place.NewAddress(), Place.FreePort());
    private readonly Sink _other = new(Place.NewAddress());
    private RelayProcess? _relay;

    private string Other => $"smtp:[{_other.EndPoint.Address}]:{_other.EndPoint.Port}";

    public void Dispose()
    {
        _relay?.Dispose();
        _other.Dispose();
    }

    private void Start(string extra = "") => _relay = new RelayProcess(RelayProcess.SmarthostConfig(_dead, extra)).Start();

    private string Send(string to, string header = "", string from = "sender@here.test")
    {
        using SmtpTalk talk = _relay!.Talk().Hello();
        Assert.StartsWith("250", talk.Say($"MAIL FROM:<{from}>"));
        Assert.StartsWith("250", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354", talk.Say("DATA"));
        string reply = talk.Say($"{header}Subject: x\r\n\r\nhello\r\n.");
        Assert.StartsWith("250 2.0.0 queued as ", reply);
        return reply[^13..];
    }

    [Fact]
    public void Mail_for_a_dead_host_is_moved_and_arrives_once_though_the_relay_is_killed_in_the_middle()
    {
        Start();
        const int Messages = 40;
        for (int i = 0; i < Messages; i++)
        {
            Send($"user{i}@a.test");
        }
        string kept = Send("stays@b.test", from: "other@here.test");
        Tool.Until(() => _relay!.Log.Contains("event=site_backoff", StringComparison.Ordinal), 30, () => _relay!.Log);

        // The other host takes half of them and has the rest wait.
        _other.Answer = static (verb, line) => verb == "RCPT" && line.Contains("5@", StringComparison.Ordinal) ? "451 4.2.1 busy" : null;
        Assert.Equal($"{Messages} messages moved\n", _relay!.Command("queue", "move", "--to", Other, "--sender", "sender@here.test", "--older", "0s").Ok().Output);
        Tool.Until(() => _other.Arrivals.Count == 36 && _relay.Log.Contains("451", StringComparison.Ordinal), 30, () => $"{_other.Arrivals.Count} arrived\n{_relay.Log}");
        Tool.Until(() => _relay.QueueCount() == 5, 30, () => _relay.Command("queue", "list").Output);
        string shown = _relay.Command("queue", "list", "--sender", "sender@here.test").Ok().Output;
        Assert.Equal(4, shown.Split($"moved to {Other}").Length - 1);
        _relay.Kill();
        _relay.Start();
        Assert.Equal("4\n", _relay.Command("queue", "list", "--sender", "sender@here.test", "--count").Ok().Output);
        _other.Answer = static (_, _) => null;
        _relay.Command("queue", "retry", "--sender", "sender@here.test").Ok();
        Tool.Until(() => _other.Arrivals.Count >= Messages, 30, () => $"{_other.Arrivals.Count} arrived\n{_relay.Log}");
        Tool.Until(() => _relay.QueueCount() == 1, 30, () => _relay.Command("queue", "list").Output);
        Assert.Equal(Enumerable.Range(0, Messages).Select(static i => $"user{i}@a.test").Order(StringComparer.Ordinal), _other.Arrivals.SelectMany(static a => a.To).Order(StringComparer.Ordinal));
        Assert.Empty(_other.Faults);
        Assert.Contains(kept, _relay.Command("queue", "list").Ok().Output);
    }

    [Fact]
    public void It_is_shown_taken_back_and_refused_where_it_cannot_be()
    {
        Start();
        string id = Send("user@a.test");
        using var dead = new Sink(_dead.Address, _dead.Port) { Answer = static (verb, _) => verb == "DOT" ? "451 4.3.0 not now" : null };
        _other.Answer = static (verb, _) => verb == "RCPT" ? "451 4.2.1 busy" : null;
        Assert.Equal("1 message moved\n", _relay!.Command("queue", "move", "--to", Other, id).Ok().Output);
        Tool.Until(() => _other.Connections > 0, 30, () => _relay.Log);
        Assert.Matches($@"(?m)^moved      by the operator to {System.Text.RegularExpressions.Regex.Escape(Other)} at \d{{4}}-", _relay.Command("queue", "show", id).Ok().Output);
        Assert.Matches($@"(?m)^route      {System.Text.RegularExpressions.Regex.Escape(Other)}, moved by the operator to \S+ at \d{{4}}-.*$", _relay.Command("explain", id).Ok().Output);
        JsonElement item = JsonDocument.Parse(_relay.Command("queue", "show", id, "--json").Ok().Output).RootElement;
        Assert.Equal(Other, item.GetProperty("destinations")[0].GetProperty("movedTo").GetString());

        Assert.Contains("is nowhere to move mail to", _relay.Command("queue", "move", "--to", "discard:", id).Error);
        ToolResult unknown = _relay.Command("queue", "move", "--to", "route:b.test", id);
        Assert.Equal((1, true), (unknown.ExitCode, unknown.Error.Contains("no row of [[route]]", StringComparison.Ordinal)));
        Assert.Equal("1 message moved\n", _relay.Command("queue", "move", "--to", "config", "--all").Ok().Output);
        Tool.Until(() => dead.Connections > 0, 30, () => _relay.Log);
        Assert.DoesNotContain("moved", _relay.Command("queue", "show", id).Ok().Output);
        dead.Answer = static (_, _) => null;
        dead.WaitFor(static a => a.To is ["user@a.test"]);
        _relay.WaitForEmptyQueue();
        Assert.Empty(_other.Arrivals);
    }

    [Fact]
    public void A_tenant_is_stopped_across_a_restart_and_others_at_its_host_are_not()
    {
        using var sink = new Sink(_dead.Address, _dead.Port);
        _relay = new RelayProcess(RelayProcess.SmarthostConfig(_dead).Replace("networks = [\"127.0.0.0/8\"]", "networks = [\"127.0.0.0/8\"]\ntenant_header = true", StringComparison.Ordinal)).Start();
        Assert.Equal("tenant:Acme  until it is resumed\n", _relay.Command("queue", "suspend", "--tenant", "Acme").Ok().Output);
        string id = Send("user@a.test", "X-FastRelay-Tenant: Acme\r\n");
        Send("user@b.test", "X-FastRelay-Tenant: acme\r\n");
        sink.WaitFor(static a => a.To is ["user@b.test"]);
        Send("user@c.test");
        sink.WaitFor(static a => a.To is ["user@c.test"]);
        Assert.Contains("waits for  the operator, who has suspended tenant \"Acme\": fastrelay queue resume --tenant \"Acme\" ends it", _relay.Command("explain", id).Ok().Output);
        Assert.Contains("reason     the operator has suspended \"tenant:Acme\"", _relay.Command("queue", "show", id).Ok().Output);
        Assert.Matches(@"(?m) normal; 1 of suspended tenants wait$", _relay.Command("queue", "top", "--once", "--interval", "200ms").Ok().Output);
        Assert.Equal(0, _relay.Stop());
        _relay.Start();
        Send("user@d.test");
        sink.WaitFor(static a => a.To is ["user@d.test"]);
        Assert.Equal(1, _relay.QueueCount());
        Assert.Equal(3, sink.Arrivals.Count);
        Assert.Equal("nothing is suspended\n", _relay.Command("queue", "resume", "--tenant", "Acme").Ok().Output);
        sink.WaitFor(static a => a.To is ["user@a.test"]);
        _relay.WaitForEmptyQueue();
    }
}
