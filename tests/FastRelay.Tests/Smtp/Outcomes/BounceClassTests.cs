using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Tests.Smtp.Outcomes;

/// <summary>Replies as providers document or send them, and the word for each.</summary>
public sealed class BounceClassTests
{
    [Theory]
    [InlineData(550, "5.1.1", "The email account that you tried to reach does not exist", "bad-mailbox")]
    [InlineData(550, "", "user unknown", "bad-mailbox")]
    [InlineData(554, "", "delivery error: dd This user doesn't have an account, No Such User", "bad-mailbox")]
    [InlineData(550, "5.1.10", "RESOLVER.ADR.RecipientNotFound", "bad-domain")]
    [InlineData(550, "5.2.1", "The email account that you tried to reach is disabled", "inactive")]
    [InlineData(452, "4.2.2", "The email account that you tried to reach is over quota", "full")]
    [InlineData(552, "", "Requested mail action aborted", "full")]
    [InlineData(552, "5.3.4", "Message size exceeds fixed limit", "too-big")]
    [InlineData(550, "5.7.26", "This mail is unauthenticated", "authentication")]
    [InlineData(550, "5.7.1", "Email rejected per DMARC policy", "authentication")]
    [InlineData(421, "4.7.28", "Our system has detected an unusual rate of unsolicited mail", "rate")]
    [InlineData(421, "", "Too many concurrent connections from your address", "rate")]
    [InlineData(450, "4.7.1", "You have been greylisted", "greylisted")]
    [InlineData(554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using Spamhaus", "reputation")]
    [InlineData(550, "5.7.1", "Message rejected as SPAM by Content Filtering", "spam")]
    [InlineData(550, "5.7.1", "Relay access denied", "policy")]
    [InlineData(530, "", "Authentication required", "login")]
    [InlineData(451, "4.3.0", "Temporary lookup failure", "system")]
    [InlineData(554, "5.6.0", "Corrupt message content", "content")]
    [InlineData(501, "5.5.4", "Syntax error", "protocol")]
    [InlineData(550, "", "Requested action not taken", "other")]
    public void A_reply_has_the_class_that_its_code_or_else_its_words_say(int code, string enhanced, string text, string expected)
    {
        EnhancedCode parsed = enhanced.Length == 0 ? default : new EnhancedCode(enhanced[0] - '0', enhanced[2] - '0', int.Parse(enhanced[4..], null));
        foreach (SmtpStage stage in (SmtpStage[])[SmtpStage.Mail, SmtpStage.Rcpt, SmtpStage.Dot])
        {
            Outcome outcome = OutcomePolicy.From(stage, code, parsed);
            Assert.Equal(expected, Encoding.ASCII.GetString(BounceClass.Of(outcome, Encoding.ASCII.GetBytes(text))));
        }
    }

    [Fact]
    public void Every_cause_has_a_class_and_a_delivery_none()
    {
        Assert.True(BounceClass.Of(OutcomePolicy.From(SmtpStage.Dot, 250, default), "ok"u8).IsEmpty);
        foreach (OutcomeCause cause in Enum.GetValues<OutcomeCause>().Where(static cause => cause is not (OutcomeCause.None or OutcomeCause.Reply or OutcomeCause.Discarded)))
        {
            string found = Encoding.ASCII.GetString(BounceClass.Of(OutcomePolicy.From(SmtpStage.Mail, cause), default));
            Assert.True(found.Length > 0 && found != "other", $"{cause}: {found}");
        }
    }
}
