using System.Globalization;
using System.Text;
using FastRelay.Deliver;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>Every reply code at every stage of a conversation with one recipient.</summary>
public sealed class ReplyTableTests
{
    private static readonly SmtpStage[] s_transaction = [SmtpStage.Mail, SmtpStage.Rcpt, SmtpStage.Data, SmtpStage.Dot];

    private readonly SendMachine _machine = new("relay.example"u8.ToArray(), 10);

    [Theory]
    [InlineData(SmtpStage.Banner)]
    [InlineData(SmtpStage.Ehlo)]
    [InlineData(SmtpStage.StartTls)]
    public void Before_MAIL_no_reply_fails_a_recipient_and_only_a_consent_goes_on(SmtpStage stage)
    {
        for (int code = 200; code < 600; code++)
        {
            SendStep step = Reach(stage, stage == SmtpStage.Ehlo ? StartTlsUse.Never : StartTlsUse.Always, pipelining: false);
            Assert.Equal(SendStep.Read, step);
            step = Say(code);
            if (code / 100 == 2)
            {
                Assert.NotEqual(SendStep.Closed, step);
                continue;
            }
            if (stage == SmtpStage.Ehlo && code / 100 == 5)
            {
                Assert.Equal(SendStep.Write, step);
                Assert.Equal("HELO relay.example\r\n", WriteAll());
                continue;
            }
            Assert.Equal(SendStep.Closed, step);
            Assert.Equal(OutcomeClass.Deferred, _machine.Failure.Class);
            Assert.Equal(OutcomePolicy.From(stage, code, default).Reach, _machine.Failure.Reach);
            Assert.Equal(code / 100 is 4 or 5 ? OutcomeCause.Reply : OutcomeCause.BadReply, _machine.Failure.Cause);
        }
    }

    [Theory]
    [InlineData(SmtpStage.Mail, false)]
    [InlineData(SmtpStage.Rcpt, false)]
    [InlineData(SmtpStage.Data, false)]
    [InlineData(SmtpStage.Dot, false)]
    [InlineData(SmtpStage.Mail, true)]
    [InlineData(SmtpStage.Rcpt, true)]
    [InlineData(SmtpStage.Data, true)]
    [InlineData(SmtpStage.Dot, true)]
    public void In_a_transaction_each_reply_means_what_the_policy_says(SmtpStage stage, bool pipelining)
    {
        for (int code = 200; code < 600; code++)
        {
            Reach(stage, StartTlsUse.Never, pipelining);
            SendStep step = Say(code);
            Outcome expected = OutcomePolicy.From(stage, code, default);
            bool consent = stage switch
            {
                SmtpStage.Data => code / 100 == 3,
                SmtpStage.Dot => false,
                _ => code / 100 == 2,
            };
            if (consent)
            {
                Assert.True(step is SendStep.Read or SendStep.Write or SendStep.Body);
                continue;
            }
            bool closes = code == 421 || (code / 100 == 3) || (code / 100 == 2 && stage != SmtpStage.Dot);
            for (int i = _machine.AwaitsReply ? 0 : 3; i < 3 && step == SendStep.Read; i++)
            {
                // The answers to what was pipelined behind it.
                step = Say(503);
            }
            Assert.Equal(SendStep.Done, step);
            Assert.Equal(!closes, _machine.IsUsable);
            Outcome outcome = _machine.Ledger.OutcomeAt(0);
            Assert.Equal(expected.Class, outcome.Class);
            Assert.Equal(expected.Reach, outcome.Reach);
            Assert.Equal(expected.Cause, outcome.Cause);
        }
    }

    [Fact]
    public void Nothing_but_2xx_to_the_final_dot_is_a_delivery()
    {
        foreach (SmtpStage stage in s_transaction)
        {
            for (int code = 200; code < 600; code++)
            {
                Reach(stage, StartTlsUse.Never, pipelining: true);
                SendStep step = Say(code);
                if (step == SendStep.Done)
                {
                    Assert.Equal(stage == SmtpStage.Dot && code / 100 == 2, _machine.Ledger.OutcomeAt(0).Class == OutcomeClass.Delivered);
                }
            }
        }
    }

    private SendStep Reach(SmtpStage stage, StartTlsUse tls, bool pipelining)
    {
        SendStep step = _machine.Start(tls);
        if (stage == SmtpStage.Banner)
        {
            return step;
        }
        Say(220);
        WriteAll();
        if (stage == SmtpStage.Ehlo)
        {
            return SendStep.Read;
        }
        Feed(pipelining ? "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n" : "250-mx\r\n250 STARTTLS\r\n");
        if (stage == SmtpStage.StartTls)
        {
            WriteAll();
            return SendStep.Read;
        }
        _machine.Begin([0], 10, false);
        WriteAll();
        foreach (SmtpStage before in s_transaction)
        {
            if (before == stage)
            {
                break;
            }
            step = Say(before == SmtpStage.Data ? 354 : 250);
            if (step == SendStep.Body)
            {
                _machine.BodySent();
            }
            WriteAll();
        }
        return SendStep.Read;
    }

    private SendStep Say(int code) => Feed(code.ToString(CultureInfo.InvariantCulture) + " text\r\n");

    private SendStep Feed(string text)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(text);
        SendStep step = _machine.Receive(bytes, out int consumed);
        Assert.Equal(bytes.Length, consumed);
        return step;
    }

    private string WriteAll()
    {
        var said = new StringBuilder();
        byte[] room = new byte[CommandWriter.CommandBytes];
        int written;
        while ((written = _machine.Write(room, "a@b"u8, "c@d"u8)) > 0)
        {
            said.Append(Encoding.ASCII.GetString(room, 0, written));
        }
        return said.ToString();
    }
}
