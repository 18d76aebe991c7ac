using FastRelay.Smtp;
using FastRelay.Tests.Golden;
using Xunit;
using ServerReplies = FastRelay.Smtp.Replies;

namespace FastRelay.Tests.Smtp.Replies;

public class FixedRepliesTests
{
    public static TheoryData<string> All()
    {
        var data = new TheoryData<string>();
        foreach (var reply in new[]
        {
            Escaped.FromBytes(ServerReplies.StartTlsReady),
            Escaped.FromBytes(ServerReplies.Bye),
            Escaped.FromBytes(ServerReplies.Help),
            Escaped.FromBytes(ServerReplies.AuthSucceeded),
            Escaped.FromBytes(ServerReplies.Ok),
            Escaped.FromBytes(ServerReplies.SenderOk),
            Escaped.FromBytes(ServerReplies.RecipientOk),
            Escaped.FromBytes(ServerReplies.VrfyCannot),
            Escaped.FromBytes(ServerReplies.AuthContinue),
            Escaped.FromBytes(ServerReplies.StartMailInput),
            Escaped.FromBytes(ServerReplies.ShuttingDown),
            Escaped.FromBytes(ServerReplies.TimedOut),
            Escaped.FromBytes(ServerReplies.TooManyConnections),
            Escaped.FromBytes(ServerReplies.TooManyErrors),
            Escaped.FromBytes(ServerReplies.TooManyConnectionsLately),
            Escaped.FromBytes(ServerReplies.UserRemoved),
            Escaped.FromBytes(ServerReplies.TooManyMessagesLately),
            Escaped.FromBytes(ServerReplies.TooManyRecipientsLately),
            Escaped.FromBytes(ServerReplies.AuthTooManyFailures),
            Escaped.FromBytes(ServerReplies.OtherProtocol),
            Escaped.FromBytes(ServerReplies.EarlyTalker),
            Escaped.FromBytes(ServerReplies.LocalError),
            Escaped.FromBytes(ServerReplies.TryAgainLater),
            Escaped.FromBytes(ServerReplies.InsufficientStorage),
            Escaped.FromBytes(ServerReplies.TooManyRecipients),
            Escaped.FromBytes(ServerReplies.TlsNotAvailable),
            Escaped.FromBytes(ServerReplies.AuthTemporaryFailure),
            Escaped.FromBytes(ServerReplies.CommandUnrecognised),
            Escaped.FromBytes(ServerReplies.LineTooLong),
            Escaped.FromBytes(ServerReplies.BareNewlineInCommand),
            Escaped.FromBytes(ServerReplies.AuthLineTooLong),
            Escaped.FromBytes(ServerReplies.SyntaxInArguments),
            Escaped.FromBytes(ServerReplies.BadEhloName),
            Escaped.FromBytes(ServerReplies.MailSyntax),
            Escaped.FromBytes(ServerReplies.RcptSyntax),
            Escaped.FromBytes(ServerReplies.BadSender),
            Escaped.FromBytes(ServerReplies.BadRecipient),
            Escaped.FromBytes(ServerReplies.AuthCancelled),
            Escaped.FromBytes(ServerReplies.AuthMalformed),
            Escaped.FromBytes(ServerReplies.NotImplemented),
            Escaped.FromBytes(ServerReplies.EhloFirst),
            Escaped.FromBytes(ServerReplies.MailFirst),
            Escaped.FromBytes(ServerReplies.RcptFirst),
            Escaped.FromBytes(ServerReplies.NestedMail),
            Escaped.FromBytes(ServerReplies.DataDuringBdat),
            Escaped.FromBytes(ServerReplies.RcptDuringBdat),
            Escaped.FromBytes(ServerReplies.BdatSyntax),
            Escaped.FromBytes(ServerReplies.TlsActive),
            Escaped.FromBytes(ServerReplies.AlreadyAuthenticated),
            Escaped.FromBytes(ServerReplies.NotDuringTransaction),
            Escaped.FromBytes(ServerReplies.PipelinedStartTls),
            Escaped.FromBytes(ServerReplies.AuthMechanismUnknown),
            Escaped.FromBytes(ServerReplies.StartTlsFirst),
            Escaped.FromBytes(ServerReplies.AuthRequired),
            Escaped.FromBytes(ServerReplies.AuthInvalid),
            Escaped.FromBytes(ServerReplies.AuthNeedsTls),
            Escaped.FromBytes(ServerReplies.RelayDenied),
            Escaped.FromBytes(ServerReplies.SenderDenied),
            Escaped.FromBytes(ServerReplies.BareNewlineInContent),
            Escaped.FromBytes(ServerReplies.MessageTooBig),
            Escaped.FromBytes(ServerReplies.HeaderTooBig),
            Escaped.FromBytes(ServerReplies.NeedsSmtpUtf8),
            Escaped.FromBytes(ServerReplies.SenderNeedsSmtpUtf8),
            Escaped.FromBytes(ServerReplies.BadInternationalDomain),
            Escaped.FromBytes(ServerReplies.TransactionFailed),
            Escaped.FromBytes(ServerReplies.NoValidRecipients),
            Escaped.FromBytes(ServerReplies.TooManyHops),
            Escaped.FromBytes(ServerReplies.AccessDenied),
            Escaped.FromBytes(ServerReplies.ParameterUnknown),        })
        {
            data.Add(reply);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_fixed_reply_is_one_short_line_whose_enhanced_code_agrees(string escaped)
    {
        var reply = Escaped.ToBytes(escaped);
        Assert.InRange(reply.Length, 6, 512);
        Assert.False(reply.AsSpan(0, reply.Length - 2).ContainsAnyExceptInRange((byte)0x20, (byte)0x7E));
        if (reply[0] == '3')
        {
            // RFC 2034 4: no enhanced code on 3xx.
            Assert.False(EnhancedCode.TryParse(reply.AsSpan(4, reply.Length - 6), out _, out _));
        }

        var parser = new ReplyParser(512, 512, 1);
        Assert.Equal(ReplyStatus.Complete, parser.Feed(reply, new byte[512], out var consumed));
        Assert.Equal(reply.Length, consumed);
        Assert.Equal(reply[0] == '3' ? 0 : reply[0] - '0', parser.EnhancedCode.Class);
    }
}
