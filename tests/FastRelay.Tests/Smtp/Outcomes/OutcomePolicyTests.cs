using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Outcomes;

/// <summary>Every cell of the policy, written out.</summary>
public class OutcomePolicyTests
{
    // N none, D deferred, F failed, + delivered; then the reach R, M, H, S; "?" marks a senseless reply, "!" a login that was refused.
    private static readonly string[] Codes = ["220", "250", "354", "421", "450", "452", "500", "521", "550", "552", "554", "0", "150", "600", "530", "535"];

    private static readonly Dictionary<SmtpStage, string> Table = new()
    {
        [SmtpStage.Connect] = "N  N  DH? DH DH DH DS DS DS DS DS DH? DH? DH? DS DS",
        [SmtpStage.Banner] = "N  N  DH? DH DH DH DS DS DS DS DS DH? DH? DH? DS DS",
        [SmtpStage.Ehlo] = "N  N  DH? DH DH DH DS DS DS DS DS DH? DH? DH? DS DS",
        [SmtpStage.StartTls] = "N  N  DH? DH DH DH DS DS DS DS DS DH? DH? DH? DS DS",
        [SmtpStage.Auth] = "N  N  DH? DH DH DH DS! DS! DS! DS! DS! DH? DH? DH? DS! DS!",
        [SmtpStage.Mail] = "N  N  DH? DH DM DM FM FM FM FM FM DH? DH? DH? DS DS",
        [SmtpStage.Rcpt] = "N  N  DH? DH DR DR FR FR FR DR FR DH? DH? DH? FR FR",
        [SmtpStage.Data] = "DH? DH? N  DH DM DM FM FM FM FM FM DH? DH? DH? DS DS",
        [SmtpStage.Dot] = "+M +M DM? DH DM DM FM FM FM FM FM DM? DM? DM? FM FM",
        [SmtpStage.Quit] = "N  N  N  N  N  N  N  N  N  N  N  N  N  N N  N",
    };

    public static TheoryData<SmtpStage> Stages() => [.. Enum.GetValues<SmtpStage>()];

    [Theory]
    [MemberData(nameof(Stages))]
    public void A_reply_means_what_the_table_says(SmtpStage stage)
    {
        var cells = Table[stage].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(Codes.Length, cells.Length);
        for (var i = 0; i < Codes.Length; i++)
        {
            var code = int.Parse(Codes[i], System.Globalization.CultureInfo.InvariantCulture);
            var outcome = OutcomePolicy.From(stage, code, default);
            var cause = outcome.IsNone ? OutcomeCause.None
                : cells[i].EndsWith('!') ? OutcomeCause.AuthFailed
                : !cells[i].EndsWith('?') ? OutcomeCause.Reply
                : stage == SmtpStage.Dot ? OutcomeCause.InDoubt : OutcomeCause.BadReply;
            Assert.True(cells[i].TrimEnd('?', '!') == Cell(outcome), $"{stage} {code}: {Cell(outcome)}");
            Assert.Equal(cause, outcome.Cause);
            Assert.Equal(code is >= 200 and < 600 ? code : 0, outcome.ReplyCode);
        }
    }

    [Fact]
    public void Nothing_before_MAIL_ever_fails_and_no_code_at_all_is_delivered_but_2xx_after_the_dot()
    {
        foreach (var stage in Enum.GetValues<SmtpStage>())
        {
            for (var code = -1; code < 1100; code++)
            {
                var outcome = OutcomePolicy.From(stage, code, new EnhancedCode(5, 1, 1));
                Assert.False(outcome.Class == OutcomeClass.Failed && (stage < SmtpStage.Mail || code is < 500 or > 599));
                Assert.Equal(stage == SmtpStage.Dot && code is >= 200 and < 300, outcome.Class == OutcomeClass.Delivered);
                Assert.True(outcome.IsNone || code is not 421 || (outcome.Class, outcome.Reach) == (OutcomeClass.Deferred, Reach.Host));
            }
        }
    }

    [Theory]
    [InlineData(SmtpStage.Rcpt, 452, 4, 3, 1, Reach.Host)]
    [InlineData(SmtpStage.Rcpt, 450, 4, 3, 2, Reach.Host)]
    [InlineData(SmtpStage.Mail, 451, 4, 3, 2, Reach.Host)]
    [InlineData(SmtpStage.Rcpt, 452, 4, 5, 3, Reach.Recipient)]
    [InlineData(SmtpStage.Rcpt, 450, 4, 2, 1, Reach.Recipient)]
    [InlineData(SmtpStage.Rcpt, 552, 5, 3, 1, Reach.Recipient)]
    [InlineData(SmtpStage.Dot, 451, 4, 7, 1, Reach.Message)]
    public void An_enhanced_code_about_the_whole_system_widens_the_reach(SmtpStage stage, int code, int codeClass, int subject, int detail, Reach reach)
    {
        var outcome = OutcomePolicy.From(stage, code, new EnhancedCode(codeClass, subject, detail));
        Assert.Equal((OutcomeClass.Deferred, reach), (outcome.Class, outcome.Reach));
        Assert.Equal(new EnhancedCode(codeClass, subject, detail), outcome.EnhancedCode);
    }

    [Theory]
    [InlineData(OutcomeCause.ConnectFailed, "DH", "4.4.1")]
    [InlineData(OutcomeCause.ConnectTimeout, "DH", "4.4.1")]
    [InlineData(OutcomeCause.ConnectionLost, "DH", "4.4.2")]
    [InlineData(OutcomeCause.ReplyTimeout, "DH", "4.4.2")]
    [InlineData(OutcomeCause.BadReply, "DH", "4.5.0")]
    [InlineData(OutcomeCause.TlsFailed, "DH", "4.7.5")]
    [InlineData(OutcomeCause.InDoubt, "DM", "4.4.2")]
    [InlineData(OutcomeCause.DnsTemporary, "DM", "4.4.3")]
    [InlineData(OutcomeCause.ShuttingDown, "DM", "4.3.2")]
    [InlineData(OutcomeCause.NoSuchDomain, "FM", "5.1.2")]
    [InlineData(OutcomeCause.NullMx, "FM", "5.1.10")]
    [InlineData(OutcomeCause.MailLoop, "FM", "5.4.6")]
    [InlineData(OutcomeCause.Expired, "FM", "5.4.7")]
    [InlineData(OutcomeCause.TooBig, "FM", "5.3.4")]
    [InlineData(OutcomeCause.CorruptBody, "FM", "5.3.0")]
    [InlineData(OutcomeCause.ByOperator, "FM", "5.0.0")]
    [InlineData(OutcomeCause.Removed, "FM", "5.0.0")]
    [InlineData(OutcomeCause.NotSupported, "FM", "5.6.7")]
    [InlineData(OutcomeCause.EightBit, "FM", "5.6.3")]
    [InlineData(OutcomeCause.EightBitSigned, "FM", "5.6.2")]
    [InlineData(OutcomeCause.ByRoute, "FM", "5.7.1")]
    [InlineData(OutcomeCause.Discarded, "+M", "2.0.0")]
    public void A_failure_without_a_reply_has_a_meaning_and_a_code_of_ours(OutcomeCause cause, string cell, string enhanced)
    {
        var outcome = OutcomePolicy.From(SmtpStage.Mail, cause);
        Assert.Equal((cell, enhanced, cause, (ushort)0), (Cell(outcome), outcome.EnhancedCode.ToString(), outcome.Cause, outcome.ReplyCode));
    }

    [Theory]
    [InlineData(OutcomeCause.ConnectionLost)]
    [InlineData(OutcomeCause.ReplyTimeout)]
    [InlineData(OutcomeCause.BadReply)]
    [InlineData(OutcomeCause.ShuttingDown)]
    public void Without_an_answer_to_the_dot_the_message_is_in_doubt_and_after_QUIT_nothing_matters(OutcomeCause cause)
    {
        Assert.Equal((OutcomeClass.Deferred, Reach.Message, OutcomeCause.InDoubt), Parts(OutcomePolicy.From(SmtpStage.Dot, cause)));
        Assert.True(OutcomePolicy.From(SmtpStage.Quit, cause).IsNone);
        Assert.Equal(cause, OutcomePolicy.From(SmtpStage.Data, cause).Cause);
    }

    [Fact]
    public void Every_cause_has_its_row_and_replies_have_none()
    {
        foreach (var cause in Enum.GetValues<OutcomeCause>())
        {
            if (cause is OutcomeCause.None or OutcomeCause.Reply)
            {
                Assert.Throws<ArgumentOutOfRangeException>(() => OutcomePolicy.From(SmtpStage.Mail, cause));
            }
            else
            {
                Assert.False(OutcomePolicy.From(SmtpStage.Mail, cause).IsNone);
            }
        }

        Assert.True(default(Outcome).IsNone);
    }

    private static (OutcomeClass, Reach, OutcomeCause) Parts(Outcome outcome) => (outcome.Class, outcome.Reach, outcome.Cause);

    private static string Cell(Outcome outcome) => outcome.Class switch
    {
        OutcomeClass.None => "N",
        OutcomeClass.Delivered => "+",
        OutcomeClass.Deferred => "D",
        _ => "F",
    } + (outcome.IsNone ? "" : outcome.Reach.ToString()[..1]);
}
