using System.Text;
using FastRelay.Config;
using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class FormatTests
{
    [Theory]
    [InlineData("", 0x00000000u)]
    [InlineData("123456789", 0xE3069283u)]
    public void The_checksum_is_the_published_one(string text, uint expected) => Assert.Equal(expected, Crc32C.Of(Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void The_checksum_of_32_zeros_is_that_of_RFC_3720_and_pieces_add_up()
    {
        Assert.Equal(0x8A9136AAu, Crc32C.Of(new byte[32]));
        byte[] data = JournalRig.Body(1000);
        for (int cut = 0; cut <= data.Length; cut += 13)
        {
            Assert.Equal(Crc32C.Of(data), Crc32C.Append(Crc32C.Of(data.AsSpan(0, cut)), data.AsSpan(cut)));
        }
    }

    [Theory]
    [InlineData(0ul, "0000000000000")]
    [InlineData(1ul, "0000000000001")]
    [InlineData(31ul, "000000000000Z")]
    [InlineData(32ul, "0000000000010")]
    [InlineData(ulong.MaxValue, "FZZZZZZZZZZZZ")]
    public void An_id_has_one_text_of_13_characters(ulong value, string text)
    {
        var id = new MessageId(value);
        Assert.Equal(text, id.ToString());
        Assert.True(MessageId.TryParse(text, out MessageId parsed));
        Assert.Equal(id, parsed);
        Assert.True(MessageId.TryParse(Encoding.ASCII.GetBytes(text.ToLowerInvariant()), out parsed));
        Assert.Equal(id, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("000000000000")]
    [InlineData("00000000000000")]
    [InlineData("G000000000000")]
    [InlineData("00000000000-1")]
    [InlineData("000000000000U")]
    [InlineData("000000000000\u0131")]
    public void What_is_no_id_is_not_read_as_one(string text) => Assert.False(MessageId.TryParse(text, out _));

    [Fact]
    public void Look_alike_letters_are_read_as_the_digits_they_look_like()
    {
        Assert.True(MessageId.TryParse("OooooooooooIL", out MessageId id));
        Assert.Equal(33ul, id.Value);
    }

    [Fact]
    public void An_envelope_reads_as_it_was_built()
    {
        EnvelopeBuilder builder = JournalRig.Envelope("sender@example.org", "one@example.net", "\"two two\"@example.net");
        Envelope envelope = builder.View;
        Assert.True(Envelope.IsWellFormed(builder.Encoded));
        Assert.Equal("sender@example.org", Encoding.ASCII.GetString(envelope.ReversePath));
        Assert.Equal("192.0.2.1:4711", Encoding.ASCII.GetString(envelope.Peer));
        Assert.Equal("client.example", Encoding.ASCII.GetString(envelope.Helo));
        Assert.Equal(2, envelope.RecipientCount);
        Assert.Equal("\"two two\"@example.net", Encoding.ASCII.GetString(envelope.Recipient(1)));
        int next = 0;
        foreach ((int index, ReadOnlySpan<byte> mailbox) in envelope)
        {
            Assert.Equal(next++, index);
            Assert.False(mailbox.IsEmpty);
        }
        Assert.Equal(2, next);
    }

    [Fact]
    public void An_envelope_that_was_cut_or_changed_is_not_taken_for_one()
    {
        byte[] good = JournalRig.Envelope("sender@example.org", "one@example.net", "two@example.net").Encoded.ToArray();
        for (int length = 0; length < good.Length; length++)
        {
            Assert.False(Envelope.IsWellFormed(good.AsSpan(0, length)));
        }
        var random = new Random(1);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bad = (byte[])good.Clone();
            bad[random.Next(bad.Length)] = (byte)random.Next(256);
            if (Envelope.IsWellFormed(bad))
            {
                // Whatever passes can be walked without stepping outside.
                int count = 0;
                foreach (EnvelopeRecipient recipient in new Envelope(bad))
                {
                    count += recipient.Mailbox.Length >= 0 ? 1 : 0;
                }
                Assert.Equal(new Envelope(bad).RecipientCount, count);
            }
        }
    }

    [Fact]
    public void An_envelope_stops_at_its_bound()
    {
        var builder = new EnvelopeBuilder();
        builder.Start("s@example.org"u8, EnvelopeFlags.EightBit, "peer"u8, "helo"u8);
        byte[] mailbox = new byte[250];
        mailbox.AsSpan().Fill((byte)'a');
        int count = 0;
        while (builder.TryAddRecipient(mailbox))
        {
            count++;
        }
        // There is room for the longest tenant to the last recipient, and no more for anything else.
        builder.SetTenant(new string('t', Limits.TenantBytes).Select(static c => (byte)c).ToArray());
        Assert.InRange(builder.Encoded.Length, Limits.EnvelopeBytes - 252, Limits.EnvelopeBytes);
        Assert.False(builder.TryAddRecipient(mailbox));
        Assert.Equal(count, builder.RecipientCount);
        JournalRig rig = new JournalRig(8 << 20).Open();
        var writer = new MessageWriter(rig.Journal);
        writer.Begin();
        writer.Advance(writer.GetSpan(1).Length);
        Assert.Equal(JournalStatus.Ok, rig.Wait(writer.CommitAsync(builder)).Status);
        Assert.Equal(count, rig.Crash().Open().Replayed[0].Recipients.Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("acme.example_1-2@+")]
    public void A_tenant_may_be_named_at_any_time_and_another_after_it(string tenant)
    {
        byte[] name = System.Text.Encoding.ASCII.GetBytes(tenant);
        var builder = new EnvelopeBuilder();
        foreach (int when in new[] { 0, 1, 2 })
        {
            builder.Start("s@example.org"u8, EnvelopeFlags.EightBit, "peer"u8, "helo"u8, 2, "envid"u8);
            builder.SetTenant(when == 2 ? "another"u8 : name);
            Assert.True(builder.TryAddRecipient("r@example.org"u8, 1, "rfc822;o@example.org"u8));
            if (when > 0)
            {
                builder.SetTenant(name);
            }
            Assert.True(builder.TryAddRecipient("q@example.org"u8));
            Envelope view = builder.View;
            Assert.True(Envelope.IsWellFormed(view.Encoded));
            Assert.Equal(tenant, System.Text.Encoding.ASCII.GetString(view.Tenant));
            Assert.Equal("s@example.org|peer|helo|envid|2", string.Join('|', System.Text.Encoding.ASCII.GetString(view.ReversePath), System.Text.Encoding.ASCII.GetString(view.Peer), System.Text.Encoding.ASCII.GetString(view.Helo), System.Text.Encoding.ASCII.GetString(view.EnvelopeId), view.Return));
            Assert.Equal("r@example.org", System.Text.Encoding.ASCII.GetString(view.At(0).Mailbox));
            Assert.Equal("rfc822;o@example.org", System.Text.Encoding.ASCII.GetString(view.At(0).OriginalRecipient));
            Assert.Equal("q@example.org", System.Text.Encoding.ASCII.GetString(view.At(1).Mailbox));
        }
    }

    [Theory]
    [InlineData(MailPriority.Normal, 0x00)]
    [InlineData(MailPriority.High, 0x10)]
    [InlineData(MailPriority.Low, 0x20)]
    public void The_priority_stands_in_bits_that_were_zero_before(MailPriority priority, int bits)
    {
        var builder = new EnvelopeBuilder();
        builder.Start("s@example.org"u8, EnvelopeFlags.SmtpUtf8, "peer"u8, "helo"u8);
        builder.TryAddRecipient("r@example.org"u8);
        Assert.Equal(MailPriority.Normal, builder.View.Priority);
        builder.SetPriority(MailPriority.Low);
        builder.SetPriority(priority);
        builder.SetFlags(EnvelopeFlags.EightBit | EnvelopeFlags.Bounce);
        builder.SetTenant("acme"u8);
        Assert.Equal((priority, EnvelopeFlags.EightBit | EnvelopeFlags.Bounce, bits | 5), (builder.View.Priority, builder.View.Flags, builder.Encoded[2]));
        byte[] later = builder.Encoded.ToArray();
        later[2] |= 0x30;
        Assert.Equal((MailPriority.Normal, EnvelopeFlags.EightBit | EnvelopeFlags.Bounce), (new Envelope(later).Priority, new Envelope(later).Flags));
    }

    [Fact]
    public void A_tenant_longer_than_the_fixed_part_is_damage()
    {
        var builder = new EnvelopeBuilder();
        builder.Start("s@example.org"u8, EnvelopeFlags.None, "peer"u8, "helo"u8);
        builder.SetTenant("acme"u8);
        builder.TryAddRecipient("r@example.org"u8);
        byte[] bytes = builder.Encoded.ToArray();
        Assert.True(Envelope.IsWellFormed(bytes));
        bytes[24] = 3;
        Assert.True(Envelope.IsWellFormed(bytes), "a later version may put more behind the name");
        bytes[24] = 5;
        Assert.False(Envelope.IsWellFormed(bytes));
    }
}
