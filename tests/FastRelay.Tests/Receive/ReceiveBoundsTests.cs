using System.Net;
using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Receive;
using FastRelay.Smtp;
using FastRelay.Tests.Receive.Auth;

namespace FastRelay.Tests.Receive;

/// <summary>What a client is told at and past the bounds of a session, and how late, against the pure machine.</summary>
public class ReceiveBoundsTests
{
    private static readonly ListenConfig s_listener = new(new IPEndPoint(IPAddress.Loopback, 465), ListenTls.Implicit);

    private readonly byte[] _reply = new byte[ReceiveMachine.ReplyBytes];
    private readonly EnvelopeBuilder _envelope = new();
    private readonly List<ClientRate> _asked = [];
    private ReceiveStep _step;
    private bool _mayGoOn = true;

    private ReceiveMachine Start(Limits limits)
    {
        var machine = new ReceiveMachine(new ReceiveOptions("relay.test"u8.ToArray(), RelayPolicy.Loopback, limits), _envelope)
        {
            MayGoOn = rate =>
            {
                _asked.Add(rate);
                return _mayGoOn;
            },
        };
        machine.Start(IPEndPoint.Parse("127.0.0.1:1"), trusted: true, s_listener, ScramTests.Users(("alice", "secret")), _reply);
        Say(machine, "EHLO c.test");
        return machine;
    }

    private string Say(ReceiveMachine machine, string line)
    {
        _step = machine.Step(ScanStatus.Line, Encoding.ASCII.GetBytes(line), JournalStatus.Ok, _reply);
        return Encoding.ASCII.GetString(_reply, 0, _step.ReplyLength);
    }

    [Fact]
    public void From_half_of_session_errors_on_answers_are_late_and_at_the_bound_the_session_ends()
    {
        ReceiveMachine machine = Start(new Limits { SessionErrors = 6, ErrorDelayMs = 700 });
        for (int error = 1; error < 6; error++)
        {
            Assert.StartsWith("500 5.5.1", Say(machine, "FOO"));
            Assert.Equal(error > 3 ? 700 : 0, _step.DelayMs);
            Assert.Equal(ReceiveAction.Continue, _step.Action);
            // What is right is answered at once.
            Assert.StartsWith("250", Say(machine, "NOOP"));
            Assert.Equal(0, _step.DelayMs);
        }
        Assert.Contains("\r\n421 4.7.0", Say(machine, "FOO"), StringComparison.Ordinal);
        Assert.Equal((ReceiveAction.Close, 700), (_step.Action, _step.DelayMs));
        machine.Start(IPEndPoint.Parse("127.0.0.1:1"), trusted: true, s_listener, null, _reply);
        Say(machine, "FOO");
        Assert.Equal((ReceiveAction.Continue, 0), (_step.Action, _step.DelayMs));
    }

    [Fact]
    public void Each_failed_AUTH_is_answered_twice_as_late_up_to_sixteen_times_and_the_last_one_ends_the_session()
    {
        ReceiveMachine machine = Start(new Limits { SessionAuthFailures = 7, AuthDelayMs = 100, SessionErrors = 1_000 });
        int[] delays = [100, 200, 400, 800, 1_600, 1_600, 1_600];
        for (int i = 0; i < delays.Length; i++)
        {
            Say(machine, "AUTH PLAIN AGFsaWNlAHdyb25n");
            Assert.Equal(ReceiveAction.CheckPassword, _step.Action);
            _step = machine.PasswordChecked(matches: false, _reply);
            string told = Encoding.ASCII.GetString(_reply, 0, _step.ReplyLength);
            Assert.StartsWith("535 5.7.8", told);
            Assert.Equal(delays[i], _step.DelayMs);
            bool last = i == delays.Length - 1;
            Assert.Equal(last ? ReceiveAction.Close : ReceiveAction.Continue, _step.Action);
            Assert.Equal(last, told.Contains("\r\n421 4.7.0", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_password_that_cannot_be_checked_now_is_no_failure()
    {
        ReceiveMachine machine = Start(new Limits { SessionAuthFailures = 1, SessionErrors = 1, AuthDelayMs = 700 });
        for (int i = 0; i < 3; i++)
        {
            Say(machine, "AUTH PLAIN AGFsaWNlAHNlY3JldA==");
            Assert.Equal(ReceiveAction.CheckPassword, _step.Action);
            _step = machine.PasswordUnchecked(_reply);
            Assert.StartsWith("454 4.7.0", Encoding.ASCII.GetString(_reply, 0, _step.ReplyLength));
            Assert.Equal((ReceiveAction.Continue, 700), (_step.Action, _step.DelayMs));
        }
        Say(machine, "AUTH PLAIN AGFsaWNlAHNlY3JldA==");
        machine.PasswordChecked(matches: true, _reply);
        Assert.Equal("alice", machine.Client.User);
    }

    [Fact]
    public void Who_goes_too_fast_is_told_450_and_what_was_accepted_stays()
    {
        ReceiveMachine machine = Start(new Limits { SessionErrors = 2 });
        Assert.StartsWith("250 2.1.0", Say(machine, "MAIL FROM:<a@b.test>"));
        Assert.StartsWith("250 2.1.5", Say(machine, "RCPT TO:<c@d.test>"));
        _mayGoOn = false;
        Assert.StartsWith("450 4.7.1", Say(machine, "RCPT TO:<e@d.test>"));
        Assert.StartsWith("450 4.7.1", Say(machine, "RCPT TO:<f@d.test>"));
        Assert.StartsWith("354", Say(machine, "DATA"));
        Assert.Equal(1, _envelope.RecipientCount);
        machine.Accepted("ID"u8, _reply);
        Assert.StartsWith("450 4.7.1", Say(machine, "MAIL FROM:<a@b.test>"));
        Assert.False(machine.InTransaction);
        Assert.StartsWith("503 5.5.1", Say(machine, "RCPT TO:<c@d.test>"));
        Assert.Equal([ClientRate.Messages, ClientRate.Recipients, ClientRate.Recipients, ClientRate.Recipients, ClientRate.Messages], _asked);
    }

    [Fact]
    public void A_recipient_that_is_named_twice_keeps_what_its_first_RCPT_asked_for()
    {
        ReceiveMachine machine = Start(new Limits());
        Say(machine, "MAIL FROM:<a@b.test>");
        Assert.StartsWith("250 2.1.5", Say(machine, "RCPT TO:<c@d.test> NOTIFY=NEVER"));
        Assert.StartsWith("250 2.1.5", Say(machine, "RCPT TO:<c@D.TEST> NOTIFY=SUCCESS"));
        int recipients = 0;
        foreach (EnvelopeRecipient recipient in _envelope.View)
        {
            Assert.Equal((byte)NotifyOn.Never, recipient.Notify);
            recipients++;
        }
        Assert.Equal(1, recipients);
    }

    [Theory]
    [InlineData(null, "530 5.7.0")]
    [InlineData("ab12", "250 2.1.0")]
    public void A_certificate_that_may_relay_serves_instead_of_AUTH(string? certificate, string told)
    {
        var machine = new ReceiveMachine(new ReceiveOptions("relay.test"u8.ToArray(), new RelayPolicy([], [], users: true), new Limits()), _envelope);
        machine.Start(IPEndPoint.Parse("192.0.2.1:1"), trusted: false, s_listener with { Submission = true }, ScramTests.Users(("alice", "secret")), _reply, certificate);
        Say(machine, "EHLO c.test");
        Assert.StartsWith(told, Say(machine, "MAIL FROM:<a@b.test>"));
        Assert.StartsWith(certificate is null ? "503" : "250 2.1.5", Say(machine, "RCPT TO:<c@d.test>"));
    }
}
