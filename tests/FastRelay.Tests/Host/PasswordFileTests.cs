using FastRelay.Config;
using FastRelay.Host.Secrets;
using FastRelay.Routing;

namespace FastRelay.Tests.Host;

public sealed class PasswordFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    private Credentials? Load(string? content, string user, out string problem)
    {
        if (content is null)
        {
            File.Delete(_path);
        }
        else
        {
            File.WriteAllText(_path, content);
        }
        return PasswordFile.Load(new RouteConfig("*", "smtp:a.test", DeliverTls.Verified, user, _path), out problem);
    }

    [Theory]
    [InlineData("secret")]
    [InlineData("secret\n")]
    [InlineData("secret\r\nnot this")]
    public void The_first_line_is_the_password(string content)
    {
        Credentials? credentials = Load(content, "edge", out string problem);
        Assert.Equal(("", "edge"), (problem, credentials!.User));
        Assert.Equal("secret"u8, credentials.Password);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\nsecret\n")]
    [InlineData("ge\theim")]
    [InlineData("geh\u00e4im")]
    public void What_is_no_password_is_told_with_route_and_file(string content)
    {
        Assert.Null(Load(content, "edge", out string problem));
        Assert.Equal($"route \"*\": password_file: {_path}: the first line must be the password: 1 to 255 characters of printable ASCII", problem);
    }

    [Fact]
    public void A_file_that_is_missing_is_told()
    {
        Assert.Null(Load(null, "edge", out string problem));
        Assert.StartsWith($"route \"*\": password_file: {_path}: cannot be read: ", problem);
    }

    [Theory]
    [InlineData(65, 255, "")]
    [InlineData(66, 255, "user and password together are longer than 320 characters")]
    [InlineData(255, 65, "")]
    [InlineData(255, 66, "user and password together are longer than 320 characters")]
    [InlineData(1, 255, "")]
    [InlineData(1, 256, "1 to 255 characters")]
    public void User_and_password_fit_in_a_line_of_AUTH_or_are_refused(int user, int password, string expected)
    {
        Credentials? credentials = Load(new string('p', password), new string('u', user), out string problem);
        Assert.Equal(expected.Length == 0, credentials is not null);
        Assert.Contains(expected, problem);
    }
}
