using System.Security.Cryptography;
using FastRelay.Config;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Host.Secrets;

/// <summary>The password of a route that has a user, in a file of its own: its first line.</summary>
public static class PasswordFile
{
    /// <summary>Reads it.</summary>
    /// <param name="route">With a user and a file.</param>
    /// <param name="problem">What is wrong, for people; empty when all is well.</param>
    /// <returns>Null when something is wrong.</returns>
    public static Credentials? Load(RouteConfig route, out string problem)
    {
        string path = route.PasswordFile!;
        try
        {
            string password = SecretText.FirstLine(path);
            problem = !SaslText.IsPassword(password) ? "the first line must be the password: 1 to 255 characters of printable ASCII"
                : route.User!.Length + password.Length > Credentials.BytesMax ? $"user and password together are longer than {Credentials.BytesMax} characters"
                : "";
            if (problem.Length == 0)
            {
                return new Credentials(route.User!, password, RandomNumberGenerator.GetBytes(32));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = $"cannot be read: {Unreadable.Text(path, e)}";
        }
        problem = $"route \"{route.Domain}\": {SecretText.Name("password", path)}: {problem}";
        return null;
    }
}
