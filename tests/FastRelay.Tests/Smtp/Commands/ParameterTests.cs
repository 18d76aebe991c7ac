using System.Text;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Commands;

public class ParameterTests
{
    [Theory]
    [InlineData("", ParameterStatus.Ok, -1, BodyType.Unspecified)]
    [InlineData("  ", ParameterStatus.Ok, -1, BodyType.Unspecified)]
    [InlineData(" SIZE=0", ParameterStatus.Ok, 0, BodyType.Unspecified)]
    [InlineData(" size=12345  body=8bitmime", ParameterStatus.Ok, 12345, BodyType.EightBitMime)]
    [InlineData(" BODY=7BIT SIZE=1", ParameterStatus.Ok, 1, BodyType.SevenBit)]
    [InlineData(" SIZE=00000000000000000007", ParameterStatus.Ok, 7, BodyType.Unspecified)]
    [InlineData(" SIZE=9223372036854775805", ParameterStatus.Ok, 9223372036854775805, BodyType.Unspecified)]
    [InlineData(" SIZE=9223372036854775808", ParameterStatus.Ok, long.MaxValue - 1, BodyType.Unspecified)]
    [InlineData(" SIZE=18446744073709551616", ParameterStatus.Ok, long.MaxValue - 1, BodyType.Unspecified)]
    [InlineData(" SIZE=99999999999999999999", ParameterStatus.Ok, long.MaxValue - 1, BodyType.Unspecified)]
    [InlineData(" SIZE=100000000000000000000", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" SIZE=-1", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" SIZE=1x", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" SIZE=", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" SIZE", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" SIZE=1 SIZE=1", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" SIZE=0 SIZE=0", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" BODY=7BIT BODY=8BITMIME", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" BODY=9BIT", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" BODY", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" BODY=BINARYMIME", ParameterStatus.Unknown, -1, BodyType.Unspecified)]
    [InlineData(" SMTPUTF8", ParameterStatus.Unknown, -1, BodyType.Unspecified)]
    [InlineData(" RET=FULL", ParameterStatus.Unknown, -1, BodyType.Unspecified)]
    [InlineData(" AUTH=<>", ParameterStatus.Unknown, -1, BodyType.Unspecified)]
    [InlineData(" =", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" -X=1", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" X=a=b", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" X\u0001=b", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" X=\u007F", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    [InlineData(" SIZE=1\tBODY=7BIT", ParameterStatus.Syntax, -1, BodyType.Unspecified)]
    public void MAIL_parameters_are_known_once_and_well_formed(string rest, ParameterStatus status, long size, BodyType body)
    {
        Assert.Equal(status, MailParameters.TryParse(Encoding.Latin1.GetBytes(rest), out var parameters));
        Assert.Equal(size, parameters.Size);
        Assert.Equal(body, parameters.Body);
    }

    [Theory]
    [InlineData(" AUTH=<> SIZE=5", ParameterStatus.Ok)]
    [InlineData(" AUTH=a+40b", ParameterStatus.Ok)]
    [InlineData(" AUTH=<> AUTH=<>", ParameterStatus.Syntax)]
    [InlineData(" AUTH", ParameterStatus.Syntax)]
    public void AUTH_is_ignored_where_it_was_offered(string rest, ParameterStatus status)
        => Assert.Equal(status, MailParameters.TryParse(Encoding.ASCII.GetBytes(rest), SmtpExtensions.Auth, out _));

    [Theory]
    [InlineData("", ParameterStatus.Ok)]
    [InlineData(" NOTIFY=NEVER", ParameterStatus.Unknown)]
    [InlineData(" ORCPT=rfc822;a@b", ParameterStatus.Unknown)]
    [InlineData(" X", ParameterStatus.Unknown)]
    [InlineData(" X=", ParameterStatus.Syntax)]
    [InlineData(" \u00E9", ParameterStatus.Syntax)]
    public void RCPT_knows_no_parameter_yet(string rest, ParameterStatus status)
        => Assert.Equal(status, RcptParameters.TryParse(Encoding.Latin1.GetBytes(rest), out _));
}
