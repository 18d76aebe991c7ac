using System.Net;
using FastRelay.Smtp;
using Xunit;
using ServerReplies = FastRelay.Smtp.Replies;

namespace FastRelay.Tests.Smtp;

/// <summary>A whole dialogue through every parser and writer, thousands of times, without a byte of garbage.</summary>
public class SmtpAllocationTests
{
    private static readonly byte[] Session = """
        EHLO client.example
        MAIL FROM:<sender@example.org> SIZE=4096 BODY=8BITMIME
        RCPT TO:<@r.example:"quoted \" part"@[IPv6:2001:db8::1]>
        RCPT TO:<bad..path@x>
        DATA

        """.ReplaceLineEndings("\r\n").Select(c => (byte)c).ToArray();

    private static readonly byte[] Content = [.. "Received: x\r\nSubject: y\r\n\r\n..dot\r\nbare\nlf\r.cr\r\n.\r\n"u8];
    private static readonly byte[] Answer = [.. "250-mx.example\r\n250-SIZE 100\r\n250-AUTH PLAIN\r\n250 PIPELINING\r\n550 5.1.1 no \xC3\xA9\x1B user\r\n"u8];
    private static readonly IPAddress[] Peers = [IPAddress.Parse("::ffff:192.0.2.1"), IPAddress.Parse("2001:db8::1"), IPAddress.Parse("192.0.2.1")];

    [Fact]
    public void A_dialogue_allocates_nothing()
    {
        var buffer = new byte[4096];
        var expected = Dialogue(buffer);
        for (var i = 0; i < 200; i++)
        {
            Dialogue(buffer);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        var sum = 0L;
        for (var i = 0; i < 2_000; i++)
        {
            sum += Dialogue(buffer);
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(0, allocated);
        Assert.Equal(expected * 2_000, sum);
    }

    // The sum of everything that came out, so that nothing can be optimised away and each round is the same.
    private static long Dialogue(Span<byte> buffer) => Receive() + Body(buffer) + Send(buffer) + Write(buffer);

    private static long Receive()
    {
        var scanner = default(LineScanner);
        ReadOnlySpan<byte> input = Session;
        long sum = 0;
        while (scanner.Next(input, 512, out var length, out var consumed) == ScanStatus.Line)
        {
            var command = Command.Parse(input[..length]);
            sum += (int)command.Verb;
            if (command.Verb == Verb.Ehlo)
            {
                sum += DomainName.IsEhloArgument(command.Argument) ? 1 : 0;
            }
            else if (command.Verb == Verb.Mail)
            {
                sum += (int)MailPath.ParseReverse(command.Argument, false, out var path, out var used) + path.Mailbox.Length;
                sum += (int)MailParameters.TryParse(command.Argument[used..], out var parameters) + parameters.Size;
            }
            else if (command.Verb == Verb.Rcpt)
            {
                sum += (int)MailPath.ParseForward(command.Argument, true, out var path, out var used) + path.Domain.Length;
                sum += (int)RcptParameters.TryParse(command.Argument[used..], out _);
            }

            input = input[consumed..];
        }

        return sum;
    }

    private static long Body(Span<byte> buffer)
    {
        var decoder = default(DotDecoder);
        decoder.Decode(Content, buffer, out var consumed, out var written);
        var header = default(HeaderScanner);
        header.Feed(buffer[..written]);
        var unstuffer = default(DotUnstuffer);
        var length = unstuffer.Decode(buffer[..written], buffer[1024..]);
        var encoder = default(DotEncoder);
        encoder.Encode(buffer.Slice(1024, length), buffer[2048..], out _, out var encoded);
        return consumed + written + length + encoded + decoder.ContentLength + header.HeaderOctets + header.ReceivedCount;
    }

    private static long Send(Span<byte> buffer)
    {
        var parser = new ReplyParser();
        var seen = default(EhloCapabilities);
        parser.Feed(Answer, buffer[..512], ref seen, out var consumed);
        var sum = consumed + parser.TextLength + (long)seen.Extensions;
        parser.Feed(Answer.AsSpan(consumed), buffer[..512], out consumed);
        var outcome = OutcomePolicy.From(SmtpStage.Rcpt, parser.Code, parser.EnhancedCode);
        return sum + consumed + parser.TextLength + (int)outcome.Class + outcome.ReplyCode + (int)OutcomePolicy.From(SmtpStage.Dot, OutcomeCause.ConnectionLost).Cause;
    }

    private static long Write(Span<byte> buffer)
    {
        var writer = new ReplyWriter(buffer);
        writer.Greeting("relay.example"u8);
        writer.Ehlo("relay.example"u8, SmtpExtensions.Pipelining | SmtpExtensions.Size, 1000, default);
        writer.Fixed(ServerReplies.StartMailInput);
        writer.QueuedAs("1-2"u8);
        long sum = writer.Written;
        for (var i = 0; i < Peers.Length; i++)
        {
            var peer = Peers[i];
            var trace = new TraceHeader { EhloName = "client.example"u8, Peer = peer, Host = "relay.example"u8, With = WithProtocol.Esmtp, Id = "1-2"u8, OnlyRecipient = "a@b"u8, Time = DateTimeOffset.UnixEpoch };
            trace.TryWrite(buffer, out var written);
            sum += written;
        }

        return sum;
    }
}
