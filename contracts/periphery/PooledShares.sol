// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC20} from "solady/tokens/ERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IPooledShares} from "interfaces/IPooledShares.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";

/// @title Shares of a splitter that gather their dividends
/// @notice See IPooledShares for the whole documentation.
contract PooledShares is IPooledShares, ERC20 {
    using FixedPointMathLib for uint256;
    using SafeTransferLib for address;

    /// @inheritdoc IPooledShares
    IRevenueSplitter public immutable SPLITTER;
    /// @dev All shares of the splitter, for good.
    uint256 internal immutable SUPPLY;

    string internal _name;
    string internal _symbol;
    /// @dev The index of each token at the first deposit.
    mapping(address token => uint256) internal _since;
    /// @inheritdoc IPooledShares
    mapping(address token => mapping(address account => uint256)) public creditOf;

    /// @notice Safety rests on: the splitter is one of the known factory. Liveness rests on: a token
    /// lets the splitter and this contract pay; the shares themselves wait for no token.
    constructor(IRevenueSplitter splitter) {
        SPLITTER = splitter;
        ERC20 shares = ERC20(address(splitter));
        SUPPLY = shares.totalSupply();
        _name = string.concat("Pooled ", shares.name());
        _symbol = string.concat("p", shares.symbol());
    }

    /// @inheritdoc IPooledShares
    function deposit(uint256 shares, address receiver, uint256[] calldata maxDue) external {
        // Check
        require(shares != 0, ZeroShares());
        _requireReceiver(receiver);
        address[] memory tokens = SPLITTER.tokens();
        require(maxDue.length == tokens.length, WrongLimits(maxDue.length, tokens.length));

        // Interaction first: the index is read when the shares are here, so that no dividend is
        // counted that they do not earn here. The splitter is known code and calls nobody.
        address(SPLITTER).safeTransferFrom(msg.sender, address(this), shares);

        // Effect
        if (totalSupply() == 0) _begin(tokens);
        uint256[] memory dueUp = _amountsOf(tokens, shares, true);
        _mint(receiver, shares);
        emit Deposited(msg.sender, receiver, shares, dueUp);

        // Interaction
        for (uint256 i; i < tokens.length; ++i) {
            require(dueUp[i] <= maxDue[i], TooMuchDue(tokens[i], dueUp[i], maxDue[i]));
            if (dueUp[i] == 0) continue;
            tokens[i].safeTransferFrom(msg.sender, address(this), dueUp[i]);
        }
    }

    /// @inheritdoc IPooledShares
    function redeem(uint256 shares, address receiver) external {
        // Check
        require(shares != 0, ZeroShares());
        _requireReceiver(receiver);

        // Effect
        _burn(msg.sender, shares);

        // Interaction: the splitter is known code and calls nobody. It counts all that has come in
        // before the shares leave, so the index is read after it.
        address(SPLITTER).safeTransfer(receiver, shares);

        // Effect
        address[] memory tokens = SPLITTER.tokens();
        uint256[] memory gatheredDown = _amountsOf(tokens, shares, false);
        for (uint256 i; i < tokens.length; ++i) {
            creditOf[tokens[i]][msg.sender] += gatheredDown[i];
        }
        emit Redeemed(msg.sender, receiver, shares, gatheredDown);
    }

    /// @inheritdoc IPooledShares
    function withdraw(address token, address receiver) external returns (uint256 amount) {
        // Check
        _requireReceiver(receiver);
        amount = creditOf[token][msg.sender];
        if (amount == 0) return 0;

        // Effect
        creditOf[token][msg.sender] = 0;
        emit Withdrawn(token, msg.sender, receiver, amount);

        // Interaction: the balance only tells whether there is a need to pull.
        if (token.balanceOf(address(this)) < amount) SPLITTER.claimToken(token, address(this));
        token.safeTransfer(receiver, amount);
    }

    function _begin(address[] memory tokens) internal {
        for (uint256 i; i < tokens.length; ++i) {
            _since[tokens[i]] = SPLITTER.dividendIndexOf(tokens[i]);
        }
    }

    /// @dev What so many pooled shares stand for now.
    function _amountsOf(
        address[] memory tokens,
        uint256 shares,
        bool up
    ) internal view returns (uint256[] memory amounts) {
        amounts = new uint256[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            uint256 grown = SPLITTER.dividendIndexOf(tokens[i]) - _since[tokens[i]];
            amounts[i] = up ? shares.mulDivUp(grown, SUPPLY) : shares.mulDiv(grown, SUPPLY);
        }
    }

    /// @inheritdoc IPooledShares
    function dueOn(uint256 shares) external view returns (uint256[] memory) {
        address[] memory tokens = SPLITTER.tokens();
        if (totalSupply() == 0) return new uint256[](tokens.length);
        return _amountsOf(tokens, shares, true);
    }

    /// @inheritdoc IPooledShares
    function gatheredBy(uint256 shares) external view returns (uint256[] memory) {
        address[] memory tokens = SPLITTER.tokens();
        if (totalSupply() == 0) return new uint256[](tokens.length);
        return _amountsOf(tokens, shares, false);
    }

    /// @inheritdoc ERC20
    function name() public view override returns (string memory) {
        return _name;
    }

    /// @inheritdoc ERC20
    function symbol() public view override returns (string memory) {
        return _symbol;
    }

    /// @dev Nobody may move a holder's shares without its own approval, Permit2 neither.
    function _givePermit2InfiniteAllowance() internal pure override returns (bool) {
        return false;
    }

    /// @dev What is sent here could never be redeemed.
    function _beforeTokenTransfer(address, address to, uint256) internal view override {
        require(to != address(this), BadReceiver(to));
    }

    function _requireReceiver(address receiver) internal view {
        require(receiver != address(0) && receiver != address(this), BadReceiver(receiver));
    }
}
